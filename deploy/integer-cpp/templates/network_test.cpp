// Every test vector through every way in; an answer that is not the expected one to the last bit
// ends it with exit code 1.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "network.h"
#include "vectors.h"

using namespace @NAMESPACE@;

namespace {
int faults = 0;

void compare(const char *how, std::size_t event, const float *got, const float *expected) {
    for (std::size_t n = 0; n < OUTPUTS; n++) {
        if (got[n] == expected[n]) continue;
        if (faults++ < 10)
            std::printf("event %zu, output %zu, %s: got %a, expected %a\n", event, n, how,
                        static_cast<double>(got[n]), static_cast<double>(expected[n]));
    }
}
}  // namespace

int main(int count, char **arguments) {
    const std::string folder = count > 1 ? arguments[1] : "vectors";
    std::vector<float> x = numbers(folder + "/inputs.txt");
    const std::vector<float> expected = numbers(folder + "/expected.txt");
    const std::size_t events = x.size() / INPUTS;
    if (events == 0 || x.size() != events * INPUTS || expected.size() != events * OUTPUTS) {
        std::printf("FAIL: %s has %zu inputs and %zu outputs\n", folder.c_str(), x.size(),
                    expected.size());
        return 1;
    }
    std::vector<float> all(expected.size());
    if (predict(x.data(), all.data(), events) != 0) faults++;
    for (std::size_t event = 0; event < events; event++) {
        const float *in = &x[event * INPUTS], *wanted = &expected[event * OUTPUTS];
        compare("events together", event, &all[event * OUTPUTS], wanted);
        float one[OUTPUTS];
        if (!predict(in, one)) faults++;
        compare("one event", event, one, wanted);
        const std::vector<double> wide(in, in + INPUTS);
        if (!predict(wide.data(), one)) faults++;
        compare("double", event, one, wanted);
        word steps[INPUTS], words[OUTPUTS];
        if (!quantize(in, steps)) faults++;
        infer(steps, words);
        for (std::size_t n = 0; n < OUTPUTS; n++)
            one[n] = static_cast<float>(words[n]) * OUTPUT_STEP[n];
        compare("whole numbers", event, one, wanted);
    }
    const float infinity = std::numeric_limits<float>::infinity();
    for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
        for (std::size_t n = 0; n < INPUTS; n++) {
            const float kept = x[n];
            float one[OUTPUTS];
            x[n] = bad;
            if (predict(x.data(), one) || !std::isnan(one[0])) {
                std::printf("input %zu: %g is not refused\n", n, static_cast<double>(bad));
                faults++;
            }
            x[n] = kept;
        }
    }
    std::printf("%s: %zu events, %d faults\n", faults ? "FAIL" : "PASS", events, faults);
    return faults != 0;
}
