// Small things that every part of the harness uses: memory that costs nothing until it is touched, random numbers
// with a seed, and reading fields out of packed words. C++17, no clock.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace hakone {

/// A usage error or an unreadable file: ends the program with status 2 and one line.
struct BadInput : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Zeroed bytes of a fixed size; pages take memory when they are first touched, so gigabytes may be asked for.
class LazyBytes {
public:
    LazyBytes() = default;
    explicit LazyBytes(size_t bytes) : bytes_(bytes) {
        if (!bytes) return;
        void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) throw BadInput("memory: " + std::to_string(bytes) + " bytes are not to be had");
        data_ = static_cast<uint8_t*>(p);
    }
    LazyBytes(LazyBytes&& other) noexcept { *this = std::move(other); }
    LazyBytes& operator=(LazyBytes&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    LazyBytes(const LazyBytes&) = delete;
    LazyBytes& operator=(const LazyBytes&) = delete;
    ~LazyBytes() {
        if (data_) munmap(data_, bytes_);
    }
    uint8_t* data() { return data_; }
    const uint8_t* data() const { return data_; }
    uint8_t& operator[](size_t i) { return data_[i]; }
    const uint8_t& operator[](size_t i) const { return data_[i]; }
    size_t size() const { return bytes_; }

private:
    uint8_t* data_ = nullptr;
    size_t bytes_ = 0;
};

/// xorshift64* (Vigna 2016): fast, the same numbers from the same seed on every machine.
class Random {
public:
    explicit Random(uint64_t seed = 1) : state_(seed * 0x9E3779B97F4A7C15ull + 0x1234567) {}
    uint32_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return static_cast<uint32_t>((state_ * 0x2545F4914F6CDD1Dull) >> 32);
    }
    /// True in `percent` of 100 calls on average.
    bool chance(unsigned percent) { return next() % 100 < percent; }

private:
    uint64_t state_;
};

/// Place of a field in a packed vector, LSB first.
struct Field {
    unsigned offset;
    unsigned width;
};

/// Value of a field of at most 32 bits. The vector must have a word after the field's last only if the field reaches it.
inline uint32_t field(const uint32_t* words, Field f) {
    const unsigned word = f.offset / 32, shift = f.offset % 32;
    uint64_t v = words[word];
    if (shift + f.width > 32) v |= static_cast<uint64_t>(words[word + 1]) << 32;
    v >>= shift;
    return static_cast<uint32_t>(f.width == 32 ? v : v & ((1ull << f.width) - 1));
}

}  // namespace hakone
