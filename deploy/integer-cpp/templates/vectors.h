// The test vectors: an event a line, numbers as C writes them in hexadecimal.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

inline std::vector<float> numbers(const std::string &path) {
    std::ifstream file(path);
    std::vector<float> found;
    for (std::string text; file >> text;) found.push_back(std::strtof(text.c_str(), nullptr));
    return found;
}
