// The functions of LiteRT's C interface that are used here, as libLiteRt.so of the Python package
// ai-edge-litert exports them. The package ships no headers; these declarations are of 2.3 and
// were tried with it, so `hepnn::Network` refuses any other version.
#pragma once

#include <cstddef>
#include <cstdint>

#define HEPNN_LITERT_MAJOR 2
#define HEPNN_LITERT_MINOR 3

extern "C" {

struct HepnnLiteRtLayout {
  unsigned int rank : 7;
  unsigned int has_strides : 1;
  std::int32_t dimensions[8];
  std::uint32_t strides[8];
};

struct HepnnLiteRtTensorType {
  std::int32_t element;
  HepnnLiteRtLayout layout;
};

int LiteRtCreateEnvironment(int options, const void* option, void** environment);
void LiteRtDestroyEnvironment(void* environment);
int LiteRtCreateModelFromFile(void* environment, const char* path, void** model);
void LiteRtDestroyModel(void* model);
int LiteRtCreateOptions(void** options);
int LiteRtSetOptionsHardwareAccelerators(void* options, int accelerators);
void LiteRtDestroyOptions(void* options);
int LiteRtCreateCompiledModel(void* environment, void* model, void* options, void** compiled);
void LiteRtDestroyCompiledModel(void* compiled);
int LiteRtGetModelSignature(void* model, std::size_t index, void** signature);
int LiteRtGetNumSignatureInputs(void* signature, std::size_t* inputs);
int LiteRtGetNumSignatureOutputs(void* signature, std::size_t* outputs);
int LiteRtGetSignatureInputTensorByIndex(void* signature, std::size_t index, void** tensor);
int LiteRtGetSignatureOutputTensorByIndex(void* signature, std::size_t index, void** tensor);
int LiteRtGetRankedTensorType(void* tensor, HepnnLiteRtTensorType* type);
int LiteRtCreateTensorBufferFromHostMemory(const HepnnLiteRtTensorType* type, void* memory,
                                           std::size_t bytes, void (*release)(void*),
                                           void** buffer);
void LiteRtDestroyTensorBuffer(void* buffer);
int LiteRtRunCompiledModel(void* compiled, std::size_t signature, std::size_t inputs,
                           void** input, std::size_t outputs, void** output);
}

static_assert(sizeof(HepnnLiteRtLayout) == 68, "layout as LiteRT 2.3 has it");
static_assert(sizeof(HepnnLiteRtTensorType) == 72, "tensor type as LiteRT 2.3 has it");
