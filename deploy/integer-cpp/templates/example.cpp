// An event loop: every event is decided where it comes by.
//
//     build/example vectors/inputs.txt
#include <cstdio>

#include "network.h"
#include "vectors.h"
#if __has_include("quantities.h")
#include "quantities.h"
#endif

int main(int count, char **arguments) {
    using namespace @NAMESPACE@;
#ifdef QUANTITIES_OF_@NAMESPACE@
    for (const Quantity &quantity : QUANTITIES)
        std::printf("# takes %s [%s]\n", quantity.name, quantity.unit);
    for (const Quantity &quantity : RESULTS)
        std::printf("# gives %s [%s]\n", quantity.name, quantity.unit);
#endif
    const std::vector<float> events = numbers(count > 1 ? arguments[1] : "vectors/inputs.txt");
    for (std::size_t first = 0; first + INPUTS <= events.size(); first += INPUTS) {
        float outputs[OUTPUTS];
        if (!predict(&events[first], outputs)) {
            std::printf("refused\n");
            continue;
        }
        for (std::size_t n = 0; n < OUTPUTS; n++)
            std::printf("%g%c", static_cast<double>(outputs[n]), n + 1 < OUTPUTS ? ' ' : '\n');
    }
}
