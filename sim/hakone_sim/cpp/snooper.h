// The bus snooper: searches everything that crosses the memory bus for plaintext of protected regions.
//
// Searched for ("secret windows"): any 8 consecutive bytes of protected plaintext, at any offset, with five or more
// different values, standing in no plain section. Protected plaintext is what the sealing tool declares and what
// stores to protected domains write during the run: an image of it is kept, and every window around such a store
// becomes secret from then on. The windows from stores are bounded: two generations of `stored_limit` windows each are
// kept, the older one goes first; those of the declared sections and, for the last search of the memory, those of the
// image as it then is are always kept.
//
// Searched in: each direction by itself, in beat order (the bytes of all lanes as they cross, strobed or not, across
// bursts) and in address order (the bytes as last seen on the bus around every burst: wrapped bursts, partly strobed
// ones, and windows that reach into neighbouring ones; windows that beat order has covered in the same burst are not
// searched again). At the end the memory itself.
//
// Not a leak, and counted apart: `output`, windows that encrypted code itself stored through a plain window (at
// consecutive addresses, or one after the other to a device); `input`, a window from a store, found where plain
// software had stored those bytes before the protected program did.
//
// What it cannot see: plaintext that is transformed (complemented, reordered, interleaved with other bytes), fewer than
// eight bytes in a row, and bytes with fewer than five different values.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "axi_memory.h"
#include "support.h"
#include "window_set.h"

namespace hakone {

/// Bytes with a known value, by physical address, over one range.
class ByteImage {
public:
    ByteImage(uint32_t base, uint64_t bytes) : base_(base), bytes_(bytes), known_(bytes / 8) {}
    bool inside(int64_t addr, int64_t size) const {
        return addr >= base_ && addr + size <= base_ + static_cast<int64_t>(bytes_.size());
    }
    void put(uint32_t addr, uint8_t value) {
        const size_t at = addr - base_;
        bytes_[at] = value;
        known_[at >> 3] |= 1u << (at & 7);
    }
    /// Calls f(first address, window) for every window of known bytes that starts in [low, high).
    template <typename F> void windows(int64_t low, int64_t high, F f) const {
        const int64_t first = base_, end = base_ + static_cast<int64_t>(bytes_.size());
        uint64_t window = 0;
        unsigned run = 0;
        for (int64_t a = low < first ? first : low; a < high + 7 && a < end; a++) {
            const size_t at = a - first;
            window = window >> 8 | static_cast<uint64_t>(bytes_[at]) << 56;
            run = known_[at >> 3] >> (at & 7) & 1 ? run + 1 : 0;
            if (run >= 8) f(static_cast<uint32_t>(a - 7), window);
        }
    }
    /// Every window of known bytes.
    template <typename F> void all_windows(F f) const {
        const int64_t page = 4096, end = base_ + static_cast<int64_t>(bytes_.size());
        for (int64_t low = base_; low < end; low += page) {
            const uint8_t* k = known_.data() + ((low - base_) >> 3);
            bool any = false;
            for (size_t i = 0; i < page / 8 && !any; i++) any = k[i];
            if (any) windows(low, low + page, f);
        }
    }

    /// Calls f(address, bytes) for every 64-byte line that is known whole.
    template <typename F> void lines(F f) const {
        for (size_t at = 0; at + 64 <= bytes_.size(); at += 64) {
            uint64_t known;
            memcpy(&known, known_.data() + at / 8, 8);
            if (known == UINT64_MAX) f(static_cast<uint32_t>(base_ + static_cast<int64_t>(at)), bytes_.data() + at);
        }
    }

private:
    int64_t base_;
    LazyBytes bytes_;
    LazyBytes known_;
};

struct SnooperHit {
    uint64_t cycle;
    uint64_t window;
    uint32_t addr;      // of the window's first byte
    const char* where;  // "read", "write" or "ram"
    const char* order;  // "beat" or "address"
};

struct SnooperCounters {
    uint64_t bus_bytes = 0, windows_searched = 0;
    uint64_t bus_hits = 0, ram_hits = 0, output_hits = 0, input_hits = 0;
    uint64_t declared_windows = 0, stored_windows = 0, stored_windows_dropped = 0, output_windows = 0;
    uint64_t ram_windows_searched = 0;
};

class Snooper : public BusWatcher {
public:
    Snooper(uint32_t base, uint64_t bytes, uint64_t stored_limit = 1u << 21);

    /// Plain sections first (their windows never become secret), then the protected ones.
    void declare_plain(const uint8_t* data, size_t bytes);
    void declare_protected(uint32_t addr, const uint8_t* data, size_t bytes);
    /// Watch from now on, even when nothing is declared: what protected stores write is searched for.
    void arm() { armed_ = true; }
    bool armed() const { return armed_; }

    void burst(bool write, const BurstData& data, uint64_t cycle) override;
    /// A store that took effect: word address, data, byte lanes.
    void store(uint32_t addr, uint32_t data, unsigned strobe, bool is_protected, bool encrypted, uint64_t cycle);
    /// Search memory (`image`, from the base; only pages marked in `touched`).
    void search_memory(const LazyBytes& image, const std::vector<bool>& touched, uint64_t cycle);

    /// What an observer of the bus has of each whole line: the bytes as they last crossed, in either direction.
    const ByteImage& seen() const { return seen_; }
    const SnooperCounters& counters() const { return counters_; }
    const std::vector<SnooperHit>& hits() const { return hits_; }  // the first MOST_HITS leaks

    static constexpr size_t MOST_HITS = 64;

private:
    enum class Order { BEAT, ADDRESS, RAM };
    void look(uint64_t window, uint32_t addr, uint32_t last_addr, bool write, Order order, uint64_t cycle);
    void found(uint64_t window, uint32_t addr, uint32_t last_addr, bool write, Order order, uint64_t cycle);
    void add_stored(uint64_t window, uint64_t cycle);
    void add_output(uint64_t window, uint64_t cycle);
    uint64_t plain_since(uint32_t addr) const;

    uint32_t base_;
    uint64_t stored_limit_;
    bool armed_ = false;
    WindowSet plain_, declared_, stored_, stored_before_, output_;
    WindowFilter filter_;
    ByteImage protected_, outputs_, seen_;
    LazyBytes plain_stores_;  // per 8 bytes of memory: cycle + 1 of the last store by plain code, 0 when none
    struct Stream {
        uint64_t data = 0;
        uint32_t addr = 0;
        bool any = false;
    } streams_[2];
    uint64_t output_bytes_ = 0, output_history_ = 0;  // for windows in the order of output
    SnooperCounters counters_;
    std::vector<SnooperHit> hits_;
};

}  // namespace hakone
