// Physical quantities to whole numbers on the grid of the network's first quantizer, with the
// bits that the quantizer gives in float32.
#pragma once

#include <cmath>
#include <cstddef>

#include "network.h"

namespace @NAMESPACE@ {
namespace entrance {

enum class Rounding { TRN, TRN_ZERO, RND, RND_CONV, RND_ZERO, RND_INF, RND_MIN_INF };
// NEAR wraps, and refuses numbers that float32 cannot count the steps of.
enum class Overflow { WRAP, SAT, NEAR };

template <std::size_t N> struct Grid {
    float scale[N];   // steps in one unit
    float low[N];     // ends of the range
    float high[N];
    float half[N];    // 2^integer with a sign, else 0
    float period[N];  // after which numbers wrap around; 0 for a number that is not looked at
    float limit[N];   // in steps: below it, whole numbers are as exact as float32
    word steps_half[N], steps_mask[N];
};

// Rounds a number of steps that a float32 holds exactly.
template <Rounding ROUNDING> inline float rounded(float steps) {
    switch (ROUNDING) {
        case Rounding::TRN: return std::floor(steps);
        case Rounding::TRN_ZERO: return std::trunc(steps);
        case Rounding::RND: return std::floor(steps + 0.5f);
        case Rounding::RND_CONV: return std::nearbyint(steps);
        case Rounding::RND_ZERO: return std::copysign(-std::floor(-std::fabs(steps) + 0.5f), steps);
        case Rounding::RND_INF: return std::copysign(std::floor(std::fabs(steps) + 0.5f), steps);
        case Rounding::RND_MIN_INF: return -std::floor(-steps + 0.5f);
    }
    return steps;
}

// The same as a whole number, in a form that compilers vectorise for the usual modes.
template <Rounding ROUNDING> inline word whole(float steps) {
    if (ROUNDING != Rounding::TRN && ROUNDING != Rounding::RND)
        return static_cast<word>(rounded<ROUNDING>(steps));
    const float raised = ROUNDING == Rounding::RND ? steps + 0.5f : steps;
    const auto cut = static_cast<std::int32_t>(raised);
    return cut - (static_cast<float>(cut) > raised);
}

// Any finite number, with float32's own coarseness; false for one that has no place on the grid.
template <Rounding ROUNDING, Overflow OVERFLOW, std::size_t N>
bool carefully(const Grid<N> &grid, const float *x, word *steps) {
    for (std::size_t n = 0; n < N; n++) {
        if (!std::isfinite(x[n])) return false;
        steps[n] = 0;
        if (grid.period[n] == 0) continue;
        float y = x[n];
        if (OVERFLOW == Overflow::SAT)
            y = y > grid.high[n] ? grid.high[n] : y < grid.low[n] ? grid.low[n] : y;
        y = rounded<ROUNDING>(y * grid.scale[n]) / grid.scale[n];
        if (OVERFLOW == Overflow::WRAP) {
            y += grid.half[n];
            y -= std::floor(y / grid.period[n]) * grid.period[n];
            y -= grid.half[n];
        }
        if (!std::isfinite(y)) return false;
        steps[n] = static_cast<word>(y * grid.scale[n]);
    }
    return true;
}

template <Rounding ROUNDING, Overflow OVERFLOW, std::size_t N>
inline bool quantize(const Grid<N> &grid, const float *x, word *steps) {
    int far = 0;
    for (std::size_t n = 0; n < N; n++) {
        const float y = x[n] * grid.scale[n];
        const bool near = std::fabs(y) < grid.limit[n];  // also false for what is not a number
        far |= !near;
        const word cut = whole<ROUNDING>(near ? y : 0.0f);
        if (OVERFLOW == Overflow::SAT) {
            const word raised = cut < grid.steps_half[n] ? grid.steps_half[n] : cut;
            steps[n] = raised > grid.steps_mask[n] ? grid.steps_mask[n] : raised;
        } else {
            steps[n] = ((cut + grid.steps_half[n]) & grid.steps_mask[n]) - grid.steps_half[n];
        }
    }
    if (OVERFLOW == Overflow::NEAR) return far == 0;
    return far == 0 || carefully<ROUNDING, OVERFLOW>(grid, x, steps);
}

}  // namespace entrance
}  // namespace @NAMESPACE@
