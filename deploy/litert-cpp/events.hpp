// Events as text: one a line, its numbers with blanks between, hexadecimal floats or decimal.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "hepnn_litert.hpp"

namespace hepnn {

// Read events of `width` numbers, one behind another; throws `Error` naming file and line.
inline std::vector<float> read_events(const std::string& path, std::size_t width) {
  std::ifstream file(path);
  if (!file) throw Error(path + ": cannot be read");
  std::vector<float> numbers;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const std::size_t before = numbers.size();
    const char* place = line.c_str();
    for (char* after = nullptr;; place = after) {
      const float value = std::strtof(place, &after);
      if (after == place) break;
      numbers.push_back(value);
    }
    while (*place == ' ' || *place == '\r') ++place;
    if (numbers.size() - before != width || *place != '\0') {
      throw Error(path + ", line " + std::to_string(number) + ": expected " +
                  std::to_string(width) + " numbers");
    }
  }
  return numbers;
}

}  // namespace hepnn
