// Small blocks of operator new, kept by each thread when they are given back.
//
// Included in exactly one source file of a program, it replaces operator new for the whole of it,
// LiteRT included: once a loop has been through all it does, it asks the system for no memory.
// A thread keeps at most `kKept` blocks of a size, so that a block which always goes from one
// thread to another does not pile up.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

namespace hepnn::pool {

constexpr std::size_t kStep = 16, kSizes = 32, kKept = 64;

// In front of every block: its size in steps; 0 where it was too large to be kept.
struct alignas(kStep) Head {
  std::size_t steps;
  Head* next;
};

struct Lists {
  Head* first[kSizes + 1] = {};
  std::size_t kept[kSizes + 1] = {};
  bool over = false;
  ~Lists() {
    over = true;
    for (Head*& list : first) {
      while (list) {
        Head* head = list;
        list = head->next;
        std::free(head);
      }
    }
  }
};

inline thread_local Lists lists;

inline void* take(std::size_t bytes) noexcept {
  const std::size_t steps = bytes / kStep + (bytes % kStep != 0 || bytes == 0);
  if (steps <= kSizes) {
    if (Head* head = lists.first[steps]) {
      lists.first[steps] = head->next;
      --lists.kept[steps];
      return head + 1;
    }
  }
  if (steps > (static_cast<std::size_t>(-1) - sizeof(Head)) / kStep) return nullptr;
  Head* head = static_cast<Head*>(std::malloc(sizeof(Head) + steps * kStep));
  if (!head) return nullptr;
  head->steps = steps <= kSizes ? steps : 0;
  return head + 1;
}

inline void give(void* block) noexcept {
  if (!block) return;
  Head* head = static_cast<Head*>(block) - 1;
  const std::size_t steps = head->steps;
  if (steps == 0 || lists.over || lists.kept[steps] == kKept) {
    std::free(head);
    return;
  }
  head->next = lists.first[steps];
  lists.first[steps] = head;
  ++lists.kept[steps];
}

}  // namespace hepnn::pool

void* operator new(std::size_t bytes) {
  if (void* block = hepnn::pool::take(bytes)) return block;
  throw std::bad_alloc();
}
void* operator new[](std::size_t bytes) { return ::operator new(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return hepnn::pool::take(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return hepnn::pool::take(bytes);
}
void operator delete(void* block) noexcept { hepnn::pool::give(block); }
void operator delete[](void* block) noexcept { hepnn::pool::give(block); }
void operator delete(void* block, std::size_t) noexcept { hepnn::pool::give(block); }
void operator delete[](void* block, std::size_t) noexcept { hepnn::pool::give(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { hepnn::pool::give(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { hepnn::pool::give(block); }
