// Sets of 8-byte windows, each with the cycle in which it entered. Open addressing, linear probing; the window of
// eight zero bytes is never a member, so that zero marks a free place.
#pragma once

#include <cstdint>
#include <vector>

namespace hakone {

/// Five or more different values among the eight bytes: what is too regular to be recognised is left out.
inline bool varied(uint64_t window) {
    uint64_t seen[4] = {0, 0, 0, 0};
    unsigned different = 0;
    for (unsigned i = 0; i < 8; i++) {
        const unsigned b = window >> (8 * i) & 0xFF;
        different += !(seen[b >> 6] >> (b & 63) & 1);
        seen[b >> 6] |= 1ull << (b & 63);
    }
    return different >= 5;
}

inline uint64_t scramble(uint64_t window) { return window * 0x9E3779B97F4A7C15ull; }

class WindowSet {
public:
    WindowSet() { clear(); }
    void clear() {
        places_.assign(1024, Place{0, 0});
        shift_ = 54;
        size_ = 0;
    }
    /// Adds a window unless it is there already (its first cycle stays). True when it is new.
    bool insert(uint64_t window, uint64_t cycle) {
        if (2 * (size_ + 1) > places_.size()) grow();
        Place& p = place(window);
        if (p.window) return false;
        p = Place{window, cycle};
        size_++;
        return true;
    }
    /// The cycle in which the window entered, or null.
    const uint64_t* find(uint64_t window) const {
        const Place& p = const_cast<WindowSet*>(this)->place(window);
        return p.window ? &p.cycle : nullptr;
    }
    size_t size() const { return size_; }
    template <typename F> void each(F f) const {
        for (const Place& p : places_)
            if (p.window) f(p.window, p.cycle);
    }

private:
    struct Place {
        uint64_t window, cycle;
    };
    Place& place(uint64_t window) {
        const size_t mask = places_.size() - 1;
        size_t i = scramble(window) >> shift_;
        while (places_[i].window && places_[i].window != window) i = (i + 1) & mask;
        return places_[i];
    }
    void grow() {
        std::vector<Place> old(places_.size() * 2, Place{0, 0});
        old.swap(places_);
        shift_--;
        for (const Place& p : old)
            if (p.window) place(p.window) = p;
    }
    std::vector<Place> places_;
    unsigned shift_;
    size_t size_;
};

/// One bit per hash value: says quickly that a window is in none of the sets, which is the usual case.
class WindowFilter {
public:
    WindowFilter() : bits_(1u << (LOG2 - 6), 0) {}
    void add(uint64_t window) { bits_[scramble(window) >> (70 - LOG2)] |= 1ull << bit(window); }
    bool maybe(uint64_t window) const { return bits_[scramble(window) >> (70 - LOG2)] >> bit(window) & 1; }
    void clear() { bits_.assign(bits_.size(), 0); }

private:
    static constexpr unsigned LOG2 = 24;
    static unsigned bit(uint64_t window) { return scramble(window) >> (64 - LOG2) & 63; }
    std::vector<uint64_t> bits_;
};

}  // namespace hakone
