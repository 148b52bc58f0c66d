// @TITLE@
//
// The network step by step, for a sequence that is still coming or that has no end: what is kept
// between two steps is a `State`, whose owner is the caller. After the steps of an event, from the
// first one on in the order below, `outputs` gives what `predict` gives for the event.
#pragma once

#include "entrance.h"
#include "network.h"

namespace @NAMESPACE@ {

/// Numbers of one step, steps of an event, and numbers that are kept. The network reads
/// @ORDER@.
constexpr std::size_t FEATURES = @FEATURES@, STEPS = @STEPS@, STATES = @STATES@;

/// What the network remembers; as it is made, nothing. A sequence, or a thread, has its own.
struct State {
    word numbers[STATES] = {};
};

/// A step in counts of steps of the grid, as `quantize` gives them.
void advance(const word *features, State &state);

/// What the network answers now, in counts of steps.
void answer(const State &state, word *outputs);

constexpr entrance::Grid<FEATURES> STEP_GRID = {
    @STEP_GRID@,
};

/// A step: FEATURES physical quantities. Returns false, and leaves the state as it is, if one of
/// them is infinite or not a number.
inline bool step(const float *quantities, State &state) {
    using namespace entrance;
    alignas(64) word features[FEATURES];
    if (!entrance::quantize<Rounding::@ROUNDING@, Overflow::@MODE@>(STEP_GRID, quantities, features))
        return false;
    advance(features, state);
    return true;
}

/// What the network answers after the steps so far.
inline void outputs(const State &state, float *numbers) {
    word words[OUTPUTS];
    answer(state, words);
    for (std::size_t n = 0; n < OUTPUTS; n++)
        numbers[n] = static_cast<float>(words[n]) * OUTPUT_STEP[n];
}

}  // namespace @NAMESPACE@
