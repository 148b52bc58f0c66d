// A trigger: reads events (one a line, in the order of network.hpp), decides about each, and says
// how long a decision took.
//
//   ./trigger EVENTS [MODEL]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "events.hpp"
#include "hepnn_litert.hpp"
#include "hepnn_pool.hpp"
#include "network.hpp"

int main(int count, char** words) try {
  if (count < 2 || count > 3) {
    std::fprintf(stderr, "usage: %s EVENTS [MODEL]\n", words[0]);
    return 2;
  }
  hepnn::Network network(count == 3 ? words[2] : "model.tflite");
  if (network.inputs() != network::inputs || network.outputs() != network::outputs) {
    throw hepnn::Error("the model is not the one that network.hpp was written for");
  }
  const std::vector<float> events = hepnn::read_events(words[1], network.inputs());
  const std::size_t number = events.size() / network.inputs();
  std::vector<long long> times(number);
  std::size_t accepted = 0;
  for (int warm = 0; warm < 100; ++warm) network.run();
  for (std::size_t event = 0; event < number; ++event) {
    const auto start = std::chrono::steady_clock::now();
    const float* answer = network(&events[event * network.inputs()]);
    accepted += network::accept(answer);
    const auto end = std::chrono::steady_clock::now();
    times[event] = std::chrono::duration_cast<std::chrono::nanoseconds>(end - start).count();
  }
  std::printf("%zu of %zu events accepted: %s\n", accepted, number, network::condition);
  if (number > 0) {
    std::sort(times.begin(), times.end());
    std::printf("latency: median %lld ns, 99th percentile %lld ns, largest %lld ns\n",
                times[number / 2], times[number * 99 / 100], times[number - 1]);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
