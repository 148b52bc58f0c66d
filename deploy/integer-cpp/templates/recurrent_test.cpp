// Every test vector step by step: after the last one the answer is the expected one, to the last
// bit, whatever other sequence was between, and a step that is refused changes nothing.
#include <cstdio>
#include <limits>

#include "recurrent.h"
#include "vectors.h"

using namespace @NAMESPACE@;

int main(int count, char **arguments) {
    const std::string folder = count > 1 ? arguments[1] : "vectors";
    const std::vector<float> x = numbers(folder + "/inputs.txt");
    const std::vector<float> expected = numbers(folder + "/expected.txt");
    const std::size_t events = x.size() / INPUTS;
    if (events == 0 || expected.size() != events * OUTPUTS) {
        std::printf("FAIL: %s has no events\n", folder.c_str());
        return 1;
    }
    int faults = 0;
    float bad[FEATURES] = {};
    bad[FEATURES - 1] = std::numeric_limits<float>::quiet_NaN();
    State other;
    for (std::size_t event = 0; event < events; event++) {
        State state;
        for (std::size_t n = 0; n < STEPS; n++) {
            const std::size_t time = @BACKWARDS@ ? STEPS - 1 - n : n;
            const float *features = &x[event * INPUTS + time * FEATURES];
            faults += !step(features, state);
            faults += !step(features, other);
            faults += step(bad, state);
        }
        float got[OUTPUTS];
        outputs(state, got);
        for (std::size_t n = 0; n < OUTPUTS; n++) {
            if (got[n] == expected[event * OUTPUTS + n]) continue;
            if (faults++ < 10) std::printf("event %zu, output %zu differs\n", event, n);
        }
    }
    std::printf("%s: %zu sequences of %zu steps, %d faults\n", faults ? "FAIL" : "PASS", events,
                STEPS, faults);
    return faults != 0;
}
