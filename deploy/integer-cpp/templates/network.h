// @TITLE@
//
// The network on whole numbers: every answer is Keras' to the last bit, and the firmware's.
// Nothing is allocated, locked or kept between calls, so that any number of threads may call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace @NAMESPACE@ {

/// Numbers of one event, the last axis fastest: @SHAPES@.
/// Their names and units are in `quantities.h`.
constexpr std::size_t INPUTS = @INPUTS@, OUTPUTS = @OUTPUTS@;

/// A number of the network: a count of steps.
using word = std::@WORD@;

/// The step of every input's grid; rounding @ROUNDING@, @OVERFLOW@.
extern const float INPUT_STEP[INPUTS];

/// The value of one step of every output.
extern const float OUTPUT_STEP[OUTPUTS];

/// Physical quantities to outputs, one event.
///
/// Returns false, and gives outputs that are not a number, if a quantity is infinite or not a
/// number (or so large that its count of steps is infinite in float32, or what the overflow above
/// says is refused).
bool predict(const float *quantities, float *outputs);

/// The same; quantities are rounded to float32 first, as Keras rounds them.
bool predict(const double *quantities, float *outputs);

/// The same for events one behind the other; returns how many were refused.
std::size_t predict(const float *quantities, float *outputs, std::size_t events);

/// Physical quantities to counts of steps on the grid; false as above, and all zero.
bool quantize(const float *quantities, word *steps);

/// Counts of steps to counts of steps: what the firmware computes. Inputs have to be on their
/// grid, between the ends in `interface.csv`.
void infer(const word *steps, word *outputs);

}  // namespace @NAMESPACE@

/// For other languages.
extern "C" {
std::size_t @NAMESPACE@_predict(const float *quantities, float *outputs, std::size_t events);
std::size_t @NAMESPACE@_words(const float *quantities, std::int64_t *outputs, std::size_t events);
}
