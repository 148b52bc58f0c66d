// How events enter and leave `network.cpp`; the numbers are the network's, the rest is the same
// for all.
#include "network.h"

#include <limits>

#include "entrance.h"

namespace @NAMESPACE@ {

const float INPUT_STEP[INPUTS] = @INPUT_STEP@;
const float OUTPUT_STEP[OUTPUTS] = @OUTPUT_STEP@;

namespace {
constexpr entrance::Grid<INPUTS> GRID = {
    @GRID@,
};

bool answer(const float *quantities, word *outputs) {
    alignas(64) word steps[INPUTS];
    if (!quantize(quantities, steps)) return false;
    infer(steps, outputs);
    return true;
}
}  // namespace

bool quantize(const float *quantities, word *steps) {
    using namespace entrance;
    if (entrance::quantize<Rounding::@ROUNDING@, Overflow::@MODE@>(GRID, quantities, steps))
        return true;
    for (std::size_t n = 0; n < INPUTS; n++) steps[n] = 0;
    return false;
}

bool predict(const float *quantities, float *outputs) {
    word words[OUTPUTS];
    const bool fine = answer(quantities, words);
    for (std::size_t n = 0; n < OUTPUTS; n++)
        outputs[n] = fine ? static_cast<float>(words[n]) * OUTPUT_STEP[n]
                          : std::numeric_limits<float>::quiet_NaN();
    return fine;
}

bool predict(const double *quantities, float *outputs) {
    float single[INPUTS];
    for (std::size_t n = 0; n < INPUTS; n++) single[n] = static_cast<float>(quantities[n]);
    return predict(single, outputs);
}

std::size_t predict(const float *quantities, float *outputs, std::size_t events) {
    std::size_t refused = 0;
    for (std::size_t event = 0; event < events; event++)
        refused += !predict(quantities + event * INPUTS, outputs + event * OUTPUTS);
    return refused;
}

}  // namespace @NAMESPACE@

extern "C" std::size_t @NAMESPACE@_predict(const float *quantities, float *outputs,
                                           std::size_t events) {
    return @NAMESPACE@::predict(quantities, outputs, events);
}

extern "C" std::size_t @NAMESPACE@_words(const float *quantities, std::int64_t *outputs,
                                         std::size_t events) {
    using namespace @NAMESPACE@;
    std::size_t refused = 0;
    for (std::size_t event = 0; event < events; event++) {
        word words[OUTPUTS] = {};
        refused += !answer(quantities + event * INPUTS, words);
        for (std::size_t n = 0; n < OUTPUTS; n++) outputs[event * OUTPUTS + n] = words[n];
    }
    return refused;
}
