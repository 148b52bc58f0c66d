// Tries the network on its test vectors, and counts what its loop takes from the system's memory.
//
//   ./network_test [INPUTS EXPECTED [MODEL]]
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "events.hpp"
#include "hepnn_litert.hpp"
#include "hepnn_pool.hpp"
#include "network.hpp"

namespace {

// Calls of the system's allocator while `counting`; where it cannot be watched, nothing counts.
long allocations = 0;
bool counting = false;

}  // namespace

#ifdef __GLIBC__
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  allocations += counting;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t number, std::size_t bytes) {
  allocations += counting;
  return __libc_calloc(number, bytes);
}
void* realloc(void* block, std::size_t bytes) {
  allocations += counting;
  return __libc_realloc(block, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  allocations += counting;
  return __libc_memalign(alignment, bytes);
}
}
#endif

namespace {

// Whether an output is what is expected: equal, or within the header's share of the largest one.
bool agrees(float found, float wanted, float largest) {
  if (std::isnan(wanted)) return std::isnan(found);
  if (network::tolerance == 0.0f || std::isinf(wanted)) return found == wanted;
  return std::fabs(found - wanted) <= network::tolerance * std::fmax(1.0f, largest);
}

}  // namespace

int main(int count, char** words) try {
  if (count != 1 && count != 3 && count != 4) {
    std::fprintf(stderr, "usage: %s [INPUTS EXPECTED [MODEL]]\n", words[0]);
    return 2;
  }
  hepnn::Network network(count == 4 ? words[3] : "model.tflite");
  const std::size_t width = network.inputs(), answers = network.outputs();
  if (width != network::inputs || answers != network::outputs) {
    throw hepnn::Error("the model is not the one that network.hpp was written for");
  }
  const std::string inputs = count > 1 ? words[1] : "vectors/inputs.txt";
  const std::string outputs = count > 1 ? words[2] : "vectors/expected.txt";
  const std::vector<float> events = hepnn::read_events(inputs, width);
  const std::vector<float> expected = hepnn::read_events(outputs, answers);
  const std::size_t number = events.size() / width;
  if (number == 0 || expected.size() / answers != number) {
    throw hepnn::Error(outputs + ": not as many events as in " + inputs);
  }
  std::size_t differing = 0;
  for (std::size_t event = 0; event < number; ++event) {
    const float* wanted = &expected[event * answers];
    const float* found = network(&events[event * width]);
    float largest = 0.0f;
    for (std::size_t i = 0; i < answers; ++i) largest = std::fmax(largest, std::fabs(wanted[i]));
    for (std::size_t i = 0; i < answers; ++i) {
      if (agrees(found[i], wanted[i], largest)) continue;
      if (differing == 0) {
        std::printf("event %zu, output %zu: got %a, expected %a\n", event, i, found[i], wanted[i]);
      }
      ++differing;
      break;
    }
  }
  std::printf("%zu events compared, %zu differ (%s)\n", number, differing,
              network::tolerance == 0.0f ? "to the last bit" : "within the tolerance");

  constexpr int kRounds = 10000;
  counting = true;
  std::size_t accepted = 0;
  for (int round = 0; round < kRounds; ++round) {
    accepted += network::accept(network(&events[round % number * width]));
  }
  counting = false;
#ifdef __GLIBC__
  std::printf("%ld allocations in %d events, %zu accepted\n", allocations, kRounds, accepted);
#else
  std::printf("allocations cannot be counted here, %zu accepted\n", accepted);
#endif
  return differing == 0 && allocations == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
