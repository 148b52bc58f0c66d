// The arithmetic of layers on whole numbers, written for the widest registers that the compiler
// was told of (AVX-512, AVX2, SSE2), and in plain C++ elsewhere. All forms give the same bits.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__) && !defined(INTEGER_CPP_PORTABLE)
#include <immintrin.h>
#endif

namespace @NAMESPACE@ {
namespace arithmetic {

using std::int16_t;
using std::int32_t;

// Sums of 32 bits, side by side; `add_products` adds w[2n] * x[0] + w[2n + 1] * x[1] to sum n.
#if defined(__AVX512BW__) && !defined(INTEGER_CPP_PORTABLE)
using Sums = __m512i;
inline Sums none() { return _mm512_setzero_si512(); }
inline Sums add(Sums a, Sums b) { return _mm512_add_epi32(a, b); }
inline Sums add_products(Sums sums, Sums weights, int32_t pair) {
#ifdef __AVX512VNNI__
    return _mm512_dpwssd_epi32(sums, weights, _mm512_set1_epi32(pair));
#else
    return add(sums, _mm512_madd_epi16(weights, _mm512_set1_epi32(pair)));
#endif
}
#elif defined(__AVX2__) && !defined(INTEGER_CPP_PORTABLE)
using Sums = __m256i;
inline Sums none() { return _mm256_setzero_si256(); }
inline Sums add(Sums a, Sums b) { return _mm256_add_epi32(a, b); }
inline Sums add_products(Sums sums, Sums weights, int32_t pair) {
    return add(sums, _mm256_madd_epi16(weights, _mm256_set1_epi32(pair)));
}
#elif defined(__SSE2__) && !defined(INTEGER_CPP_PORTABLE)
using Sums = __m128i;
inline Sums none() { return _mm_setzero_si128(); }
inline Sums add(Sums a, Sums b) { return _mm_add_epi32(a, b); }
inline Sums add_products(Sums sums, Sums weights, int32_t pair) {
    return add(sums, _mm_madd_epi16(weights, _mm_set1_epi32(pair)));
}
#else
struct Sums {
    int32_t sum[4];
};
inline Sums none() { return {}; }
inline Sums add(Sums a, const Sums &b) {
    for (int n = 0; n < 4; n++) a.sum[n] += b.sum[n];
    return a;
}
inline Sums add_products(Sums sums, const Sums &weights, int32_t pair) {
    int16_t w[8], x[2];
    std::memcpy(w, &weights, sizeof w);
    std::memcpy(x, &pair, sizeof x);
    for (int n = 0; n < 4; n++) sums.sum[n] += w[2 * n] * x[0] + w[2 * n + 1] * x[1];
    return sums;
}
#endif

constexpr int WIDTH = sizeof(Sums) / sizeof(int32_t);

inline Sums load(const void *from) {
    Sums sums;
    std::memcpy(&sums, from, sizeof sums);
    return sums;
}

// What follows a sum: a negative one is zero where the layer says so, then it is brought to the
// lane of the next layer by a shift, and what does not fit wraps around or saturates. The half that
// rounds up is in the bias; ties to the even number are found here.
enum class Ties { UP, EVEN };

template <int N> struct Lane {
    int32_t shift[N];  // to the right
    int32_t half[N];   // wraps: 2^(bits - 1) with a sign, else 0; saturates: the lowest number
    int32_t mask[N];   // wraps: 2^bits - 1; saturates: the highest number
    int32_t below[N];  // even: one less than a half; 0 without a shift
    int32_t odd[N];    // even: 1; 0 without a shift
};

template <bool RELU, bool SATURATE, Ties TIES, int N>
inline int32_t on_lane(const Lane<N> &lane, int n, int32_t sum) {
    int32_t positive = RELU && sum < 0 ? 0 : sum;
    if (TIES == Ties::EVEN) positive += lane.below[n] + ((positive >> lane.shift[n]) & lane.odd[n]);
    const int32_t shifted = positive >> lane.shift[n];
    if (SATURATE) {
        const int32_t raised = shifted < lane.half[n] ? lane.half[n] : shifted;
        return raised > lane.mask[n] ? lane.mask[n] : raised;
    }
    return ((shifted + lane.half[n]) & lane.mask[n]) - lane.half[n];
}

// A layer of INPUTS numbers in pairs and OUTPUTS sums; both are filled up with zeros.
template <int INPUTS, int OUTPUTS> struct Dense {
    int16_t weight[INPUTS / 2][OUTPUTS][2];
    int32_t bias[OUTPUTS];
};

template <int INPUTS, int OUTPUTS>
inline void sums_of(const Dense<INPUTS, OUTPUTS> &layer, const int16_t *x, int32_t *sums) {
    static_assert(INPUTS % 2 == 0 && OUTPUTS % WIDTH == 0, "filled up with zeros");
    constexpr int PAIRS = INPUTS / 2, REGISTERS = OUTPUTS / WIDTH;
    // Registers that are summed at a time, in so many chains that none waits for another.
    constexpr int GROUP = REGISTERS % 8 == 0 ? 8 : REGISTERS % 4 == 0 ? 4 : REGISTERS % 2 == 0 ? 2 : 1;
    constexpr int CHAINS = GROUP >= 8 ? 1 : GROUP == 4 ? 2 : 4;
    for (int first = 0; first < REGISTERS; first += GROUP) {
        Sums sum[CHAINS][GROUP];
#pragma GCC unroll 4
        for (int chain = 0; chain < CHAINS; chain++)
#pragma GCC unroll 8
            for (int n = 0; n < GROUP; n++)
                sum[chain][n] = chain ? none() : load(&layer.bias[(first + n) * WIDTH]);
        const auto step = [&](int chain, int pair) {
            int32_t two;
            std::memcpy(&two, x + 2 * pair, sizeof two);
#pragma GCC unroll 8
            for (int n = 0; n < GROUP; n++)
                sum[chain][n] = add_products(
                    sum[chain][n], load(layer.weight[pair][(first + n) * WIDTH]), two);
        };
        constexpr int WHOLE = PAIRS / CHAINS * CHAINS;
        for (int pair = 0; pair < WHOLE; pair += CHAINS)
#pragma GCC unroll 4
            for (int chain = 0; chain < CHAINS; chain++) step(chain, pair + chain);
        for (int pair = WHOLE; pair < PAIRS; pair++) step(0, pair);
#pragma GCC unroll 8
        for (int n = 0; n < GROUP; n++) {
            Sums total = sum[0][n];
#pragma GCC unroll 4
            for (int chain = 1; chain < CHAINS; chain++) total = add(total, sum[chain][n]);
            std::memcpy(&sums[(first + n) * WIDTH], &total, sizeof total);
        }
    }
}

// Layers are calls of their own: kept apart, what one stores is loaded by the next with fewer
// instructions than when the compiler moves it between registers.
template <bool RELU, bool SATURATE, Ties TIES, int INPUTS, int OUTPUTS>
[[gnu::noinline]] void dense(const Dense<INPUTS, OUTPUTS> &layer, const Lane<OUTPUTS> &lane, const int16_t *x,
                  int16_t *y) {
    alignas(64) int32_t sums[OUTPUTS];
    sums_of(layer, x, sums);
    for (int n = 0; n < OUTPUTS; n++)
        y[n] = static_cast<int16_t>(on_lane<RELU, SATURATE, TIES>(lane, n, sums[n]));
}

template <bool RELU, int INPUTS, int OUTPUTS>
[[gnu::noinline]] void dense(const Dense<INPUTS, OUTPUTS> &layer, const int16_t *x, int32_t *y) {
    sums_of(layer, x, y);
    for (int n = 0; n < OUTPUTS; n++) y[n] = RELU && y[n] < 0 ? 0 : y[n];
}

// One factor and one offset a number.
template <int N> struct Scale {
    int32_t factor[N], offset[N];
};

template <bool RELU, bool SATURATE, Ties TIES, int N>
[[gnu::noinline]] void scale(const Scale<N> &layer, const Lane<N> &lane, const int32_t *x, int16_t *y) {
    for (int n = 0; n < N; n++) {
        const int32_t sum = x[n] * layer.factor[n] + layer.offset[n];
        y[n] = static_cast<int16_t>(on_lane<RELU, SATURATE, TIES>(lane, n, sum));
    }
}

}  // namespace arithmetic
}  // namespace @NAMESPACE@
