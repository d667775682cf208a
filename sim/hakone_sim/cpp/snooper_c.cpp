// The snooper alone behind C functions, so that tests can compare it with a model of it (hakone_sim.snooper_library).
#include <algorithm>
#include <cstring>

#include "snooper.h"

using hakone::BurstData;
using hakone::Snooper;

extern "C" {

Snooper* snooper_new(uint32_t base, uint64_t bytes, uint64_t stored_limit) { return new Snooper(base, bytes, stored_limit); }
void snooper_free(Snooper* s) { delete s; }
void snooper_arm(Snooper* s) { s->arm(); }
void snooper_plain(Snooper* s, const uint8_t* data, uint64_t bytes) { s->declare_plain(data, bytes); }
void snooper_protected(Snooper* s, uint32_t addr, const uint8_t* data, uint64_t bytes) { s->declare_protected(addr, data, bytes); }

void snooper_burst(Snooper* s, int write, uint32_t addr, uint32_t len, uint32_t size, uint32_t type, uint32_t beats,
                   const uint64_t* data, const uint8_t* strobe, uint64_t cycle) {
    BurstData b;
    b.addr = addr, b.len = static_cast<uint8_t>(len), b.size = static_cast<uint8_t>(size), b.burst = static_cast<uint8_t>(type);
    b.decoded = true;
    b.beats = beats;
    std::copy(data, data + beats, b.data.begin());
    std::copy(strobe, strobe + beats, b.strobe.begin());
    s->burst(write != 0, b, cycle);
}

void snooper_store(Snooper* s, uint32_t addr, uint32_t data, uint32_t strobe, int is_protected, int encrypted, uint64_t cycle) {
    s->store(addr, data, strobe, is_protected != 0, encrypted != 0, cycle);
}

/// Search a memory image; `touched` has a byte for each page of 4 KiB.
void snooper_memory(Snooper* s, const uint8_t* image, uint64_t bytes, const uint8_t* touched, uint64_t cycle) {
    hakone::LazyBytes copy(bytes);
    memcpy(copy.data(), image, bytes);
    s->search_memory(copy, std::vector<bool>(touched, touched + (bytes >> 12)), cycle);
}

/// In the order of SnooperCounters.
void snooper_counters(const Snooper* s, uint64_t* to) { memcpy(to, &s->counters(), sizeof(hakone::SnooperCounters)); }

uint64_t snooper_hits(const Snooper* s, uint32_t* addresses, uint64_t most) {
    const uint64_t n = std::min<uint64_t>(most, s->hits().size());
    for (uint64_t i = 0; i < n; i++) addresses[i] = s->hits()[i].addr;
    return n;
}
}
