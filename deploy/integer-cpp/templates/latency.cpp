// Nanoseconds an event, events one by one, each by a call of its own. Blocks of events are timed
// and the median and the 99th percentile over blocks are printed, with a checksum of the answers.
//
//     build/latency [file of float32 events]
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "network.h"
#include "vectors.h"

using namespace @NAMESPACE@;

namespace {
constexpr std::size_t BLOCK = 64, BLOCKS = 20000;

std::vector<float> raw(const char *path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::vector<float> found(static_cast<std::size_t>(file.tellg()) / sizeof(float));
    file.seekg(0);
    file.read(reinterpret_cast<char *>(found.data()),
              static_cast<std::streamsize>(found.size() * sizeof(float)));
    return found;
}
}  // namespace

int main(int count, char **arguments) {
    const std::vector<float> x = count > 1 ? raw(arguments[1]) : numbers("vectors/inputs.txt");
    const std::size_t events = x.size() / INPUTS;
    if (events == 0) return 1;
    std::vector<double> times(BLOCKS);
    std::size_t event = 0;
    double sum = 0;
    for (double &time : times) {
        float outputs[BLOCK][OUTPUTS];
        const auto start = std::chrono::steady_clock::now();
        for (auto &output : outputs) {
            predict(&x[event * INPUTS], output);
            event = event + 1 < events ? event + 1 : 0;
        }
        const auto stop = std::chrono::steady_clock::now();
        time = std::chrono::duration<double, std::nano>(stop - start).count() / BLOCK;
        for (auto &output : outputs) sum += static_cast<double>(output[0]);
    }
    std::sort(times.begin(), times.end());
    std::printf("{\"p50\": %.2f, \"p99\": %.2f, \"minimum\": %.2f, \"sum\": %.9g}\n",
                times[BLOCKS / 2], times[BLOCKS / 100 * 99], times[0], sum);
}
