// Times a call of hepnn::Network, event in and answer out, over a bare LiteRtRunCompiledModel on
// memory that lies ready, in turn; prints the medians of both in nanoseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "events.hpp"
#include "hepnn_litert.hpp"
#include "hepnn_pool.hpp"

namespace {

constexpr int kRounds = 20, kCalls = 5000, kWarm = 500;

using Clock = std::chrono::steady_clock;

void insist(int status) {
  if (status != 0) throw hepnn::Error("LiteRT failed");
}

// The bare loop: the C functions alone.
struct Bare {
  alignas(64) float memory_in[1024] = {};
  alignas(64) float memory_out[1024] = {};
  void *compiled = nullptr, *in = nullptr, *out = nullptr;

  explicit Bare(const char* path) {
    void *environment, *model, *options, *signature, *tensor;
    HepnnLiteRtTensorType type{};
    insist(LiteRtCreateEnvironment(0, nullptr, &environment));
    insist(LiteRtCreateModelFromFile(environment, path, &model));
    insist(LiteRtCreateOptions(&options));
    insist(LiteRtSetOptionsHardwareAccelerators(options, 1));
    insist(LiteRtCreateCompiledModel(environment, model, options, &compiled));
    insist(LiteRtGetModelSignature(model, 0, &signature));
    insist(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor));
    insist(LiteRtGetRankedTensorType(tensor, &type));
    insist(LiteRtCreateTensorBufferFromHostMemory(&type, memory_in, bytes(type), nullptr, &in));
    insist(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor));
    insist(LiteRtGetRankedTensorType(tensor, &type));
    insist(LiteRtCreateTensorBufferFromHostMemory(&type, memory_out, bytes(type), nullptr, &out));
  }

  static std::size_t bytes(const HepnnLiteRtTensorType& type) {
    std::size_t size = sizeof(float);
    for (unsigned axis = 0; axis < type.layout.rank; ++axis) size *= type.layout.dimensions[axis];
    if (size > sizeof(memory_in)) throw hepnn::Error("an event of more than 1024 numbers");
    return size;
  }

  void run() { insist(LiteRtRunCompiledModel(compiled, 0, 1, &in, 1, &out)); }
};

template <typename Call>
void timed(std::vector<double>& kept, bool warm, Call call) {
  for (int number = 0; number < (warm ? kWarm : kCalls); ++number) {
    const auto start = Clock::now();
    call(number);
    const std::chrono::duration<double, std::nano> passed = Clock::now() - start;
    if (!warm) kept.push_back(passed.count());
  }
}

double median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int count, char** words) try {
  if (count != 3) return 2;
  hepnn::Network network(words[1]);
  Bare bare(words[1]);
  const std::vector<float> events = hepnn::read_events(words[2], network.inputs());
  const std::size_t width = network.inputs(), number = events.size() / width;
  std::vector<double> ours, theirs;
  volatile float answer = 0.0f;
  for (int round = 0; round <= kRounds; ++round) {
    timed(theirs, round == 0, [&](int) { bare.run(); });
    timed(ours, round == 0, [&](int call) { answer = network(&events[call % number * width])[0]; });
  }
  std::printf("%.1f %.1f\n", median(ours), median(theirs));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
