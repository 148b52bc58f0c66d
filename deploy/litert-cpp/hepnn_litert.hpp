// A network of one event, run by LiteRT on the processor.
//
//   hepnn::Network network("model.tflite");
//   std::copy(event, event + network.inputs(), network.input());
//   network.run();
//   float first = network.output()[0];
//
// After construction nothing here takes memory. LiteRT's own run takes five small blocks by
// operator new; with `hepnn_pool.hpp` in the program they come from a list of kept ones.
// One object a thread: it holds the buffers of one event.
#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>

#include "litert_c.hpp"

namespace hepnn {

// What is wrong with a model file or with the library, in one line.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Return the version of the LiteRT that this process has loaded, as the Python package's
// metadata beside it says; the library itself does not know it. Empty where there are none.
inline std::string litert_version() {
  Dl_info found{};
  if (!dladdr(reinterpret_cast<void*>(&LiteRtCreateEnvironment), &found) || !found.dli_fname) {
    return "";
  }
  namespace fs = std::filesystem;
  std::error_code failed;
  const fs::path library = fs::canonical(found.dli_fname, failed);
  if (failed) return "";
  const std::string start = "ai_edge_litert-", end = ".dist-info";
  for (fs::directory_iterator entry(library.parent_path().parent_path(), failed), last;
       !failed && entry != last; entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    if (name.size() > start.size() + end.size() && name.compare(0, start.size(), start) == 0 &&
        name.compare(name.size() - end.size(), end.size(), end) == 0) {
      return name.substr(start.size(), name.size() - start.size() - end.size());
    }
  }
  return "";
}

// Throw unless the loaded LiteRT is the one that `litert_c.hpp` was written for.
inline void check_litert_version() {
  const std::string version = litert_version();
  const std::string wanted =
      std::to_string(HEPNN_LITERT_MAJOR) + "." + std::to_string(HEPNN_LITERT_MINOR);
  if (version.empty()) {
    throw Error("libLiteRt.so: no ai_edge_litert-*.dist-info beside its folder says its version");
  }
  if (version.compare(0, wanted.size() + 1, wanted + ".") != 0) {
    throw Error("libLiteRt.so is of ai-edge-litert " + version + "; this was built for " + wanted);
  }
}

// A model file of one float32 input and one float32 output, for one event at a time.
class Network {
 public:
  // Open a model; throws `Error`.
  explicit Network(const std::string& path) {
    try {
      open(path);
    } catch (...) {
      close();
      throw;
    }
  }
  ~Network() { close(); }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // Numbers of an event, and of an answer.
  std::size_t inputs() const { return input_.size; }
  std::size_t outputs() const { return output_.size; }

  // Where an event is written to, and where its answer lies after `run`.
  float* input() { return input_.memory; }
  const float* output() const { return output_.memory; }

  // Answer the event that lies in `input()`; throws `Error` if LiteRT fails.
  void run() {
    if (LiteRtRunCompiledModel(compiled_, 0, 1, &input_.buffer, 1, &output_.buffer) != 0) {
      throw Error("LiteRT failed to run the model");
    }
  }

  // Answer an event of `inputs()` numbers.
  const float* operator()(const float* event) {
    for (std::size_t i = 0; i < input_.size; ++i) input_.memory[i] = event[i];
    run();
    return output_.memory;
  }

 private:
  struct Port {
    float* memory = nullptr;
    std::size_t size = 0;
    void* buffer = nullptr;
  };

  static constexpr int kProcessor = 1, kFloat32 = 1;
  static constexpr std::size_t kAlignment = 64;  // what LiteRT asks of memory that is not its own

  void open(const std::string& path) {
    check_litert_version();
    if (std::FILE* file = std::fopen(path.c_str(), "rb")) {
      std::fclose(file);
    } else {
      throw Error(path + ": cannot be read");
    }
    insist(LiteRtCreateEnvironment(0, nullptr, &environment_), path, "environment");
    insist(LiteRtCreateModelFromFile(environment_, path.c_str(), &model_), path, "model");
    void* signature = nullptr;
    std::size_t ins = 0, outs = 0;
    insist(LiteRtGetModelSignature(model_, 0, &signature), path, "signature");
    insist(LiteRtGetNumSignatureInputs(signature, &ins), path, "inputs");
    insist(LiteRtGetNumSignatureOutputs(signature, &outs), path, "outputs");
    if (ins != 1 || outs != 1) throw Error(path + ": takes one input and gives one output only");
    insist(LiteRtCreateOptions(&options_), path, "options");
    insist(LiteRtSetOptionsHardwareAccelerators(options_, kProcessor), path, "processor");
    insist(LiteRtCreateCompiledModel(environment_, model_, options_, &compiled_), path, "graph");
    void *in = nullptr, *out = nullptr;
    insist(LiteRtGetSignatureInputTensorByIndex(signature, 0, &in), path, "input");
    insist(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &out), path, "output");
    input_ = port(in, path, "input");
    output_ = port(out, path, "output");
  }

  static Port port(void* tensor, const std::string& path, const char* which) {
    HepnnLiteRtTensorType type{};
    insist(LiteRtGetRankedTensorType(tensor, &type), path, which);
    if (type.element != kFloat32) throw Error(path + ": its " + which + " is not float32");
    Port made;
    made.size = 1;
    for (unsigned axis = 0; axis < type.layout.rank; ++axis) {
      if (type.layout.dimensions[axis] < 1) throw Error(path + ": an axis has no fixed length");
      made.size *= static_cast<std::size_t>(type.layout.dimensions[axis]);
    }
    const std::size_t bytes = made.size * sizeof(float);
    const std::size_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    made.memory = static_cast<float*>(std::aligned_alloc(kAlignment, whole));
    if (!made.memory) throw std::bad_alloc();
    for (std::size_t i = 0; i < whole / sizeof(float); ++i) made.memory[i] = 0.0f;
    const int status =
        LiteRtCreateTensorBufferFromHostMemory(&type, made.memory, bytes, nullptr, &made.buffer);
    if (status != 0) {
      std::free(made.memory);
      insist(status, path, which);
    }
    return made;
  }

  static void insist(int status, const std::string& path, const char* what) {
    if (status == 0) return;
    throw Error(path + ": LiteRT refuses it (" + what + ", status " + std::to_string(status) + ")");
  }

  void close() {
    for (Port* port : {&input_, &output_}) {
      if (port->buffer) LiteRtDestroyTensorBuffer(port->buffer);
      std::free(port->memory);
    }
    if (compiled_) LiteRtDestroyCompiledModel(compiled_);
    if (options_) LiteRtDestroyOptions(options_);
    if (model_) LiteRtDestroyModel(model_);
    if (environment_) LiteRtDestroyEnvironment(environment_);
  }

  void *environment_ = nullptr, *model_ = nullptr, *options_ = nullptr, *compiled_ = nullptr;
  Port input_, output_;
};

}  // namespace hepnn
