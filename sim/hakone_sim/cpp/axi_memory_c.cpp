// The memory alone behind C functions, a clock edge at a time, so that tests can be its manager
// (hakone_sim.memory_library).
#include <cstring>

#include "axi_memory.h"

using namespace hakone;

namespace {

struct Bench {
    explicit Bench(const AxiMemoryOptions& options) : memory(options, nullptr) {}
    AxiMemory memory;
    AxiSubordinate driven;
    uint64_t cycle = 0;
};

}  // namespace

extern "C" {

Bench* memory_new(uint32_t base, uint64_t bytes, uint32_t latency, uint64_t wait_seed, uint32_t wait_percent) {
    AxiMemoryOptions o;
    o.base = base, o.bytes = bytes, o.latency = latency, o.wait_seed = wait_seed, o.wait_percent = wait_percent;
    return new Bench(o);
}
void memory_free(Bench* b) { delete b; }

/// What the memory drives now.
void memory_driven(const Bench* b, AxiSubordinate* to) { *to = b->driven; }

/// A rising edge; `m` is what the manager drove before it.
void memory_edge(Bench* b, const AxiManager* m) { b->memory.step(*m, b->driven, b->cycle++); }

const char* memory_violation(const Bench* b) { return b->memory.violation().c_str(); }
void memory_load(Bench* b, uint32_t addr, const uint8_t* data, uint64_t n) { b->memory.load(addr, data, n); }
void memory_read(Bench* b, uint32_t addr, uint8_t* to, uint64_t n) {
    memcpy(to, b->memory.bytes().data() + (addr - b->memory.base()), n);
}
}
