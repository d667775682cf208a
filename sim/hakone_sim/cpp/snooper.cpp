// See snooper.h.
#include "snooper.h"

#include <algorithm>
#include <cstring>

namespace hakone {

namespace {
uint64_t window_at(const uint8_t* p) {
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}
}  // namespace

Snooper::Snooper(uint32_t base, uint64_t bytes, uint64_t stored_limit)
    : base_(base), stored_limit_(stored_limit), protected_(base, bytes), outputs_(base, bytes), seen_(base, bytes),
      plain_stores_(bytes) {}

void Snooper::declare_plain(const uint8_t* data, size_t bytes) {
    for (size_t i = 0; i + 8 <= bytes; i++) {
        const uint64_t w = window_at(data + i);
        if (varied(w)) plain_.insert(w, 0);
    }
}

void Snooper::declare_protected(uint32_t addr, const uint8_t* data, size_t bytes) {
    arm();
    for (size_t i = 0; i < bytes; i++)
        if (protected_.inside(addr + i, 1)) protected_.put(addr + i, data[i]);
    for (size_t i = 0; i + 8 <= bytes; i++) {
        const uint64_t w = window_at(data + i);
        if (!varied(w) || plain_.find(w)) continue;
        counters_.declared_windows += declared_.insert(w, 0);
        filter_.add(w);
    }
}

void Snooper::add_stored(uint64_t window, uint64_t cycle) {
    if (!varied(window) || plain_.find(window) || declared_.find(window)) return;
    if (stored_.size() >= stored_limit_) {
        counters_.stored_windows_dropped += stored_before_.size();
        std::swap(stored_, stored_before_);
        stored_.clear();
        filter_.clear();
        declared_.each([this](uint64_t w, uint64_t) { filter_.add(w); });
        stored_before_.each([this](uint64_t w, uint64_t) { filter_.add(w); });
    }
    const uint64_t* since = stored_before_.find(window);
    if (!stored_.insert(window, since ? *since : cycle)) return;
    counters_.stored_windows += !since;
    filter_.add(window);
}

void Snooper::add_output(uint64_t window, uint64_t cycle) {
    if (varied(window)) counters_.output_windows += output_.insert(window, cycle);
}

void Snooper::store(uint32_t addr, uint32_t data, unsigned strobe, bool is_protected, bool encrypted, uint64_t cycle) {
    if (!armed_) return;
    const bool in_memory = protected_.inside(addr, 4);
    if (is_protected) {
        if (!in_memory) return;
        int64_t low = addr + 3, high = addr;
        for (unsigned i = 0; i < 4; i++)
            if (strobe >> i & 1) {
                protected_.put(addr + i, data >> (8 * i));
                low = std::min<int64_t>(low, addr + i), high = std::max<int64_t>(high, addr + i);
            }
        const uint64_t none = 0;
        memcpy(plain_stores_.data() + ((addr - base_) & ~7u), &none, 8);
        protected_.windows(low - 7, high + 1, [&](uint32_t, uint64_t w) { add_stored(w, cycle); });
    } else if (encrypted) {
        for (unsigned i = 0; i < 4; i++) {
            if (!(strobe >> i & 1)) continue;
            const uint8_t byte = data >> (8 * i);
            output_history_ = output_history_ >> 8 | static_cast<uint64_t>(byte) << 56;
            if (++output_bytes_ >= 8) add_output(output_history_, cycle);
            if (in_memory) outputs_.put(addr + i, byte);
        }
        if (in_memory) outputs_.windows(int64_t{addr} - 7, int64_t{addr} + 4, [&](uint32_t, uint64_t w) { add_output(w, cycle); });
    } else if (in_memory) {
        const uint64_t stamp = cycle + 1;
        memcpy(plain_stores_.data() + ((addr - base_) & ~7u), &stamp, 8);
    }
}

uint64_t Snooper::plain_since(uint32_t addr) const {
    if (!protected_.inside(addr, 1)) return 0;
    uint64_t stamp;
    memcpy(&stamp, plain_stores_.data() + ((addr - base_) & ~7u), 8);
    return stamp;
}

void Snooper::look(uint64_t window, uint32_t addr, uint32_t last_addr, bool write, Order order, uint64_t cycle) {
    if (filter_.maybe(window)) found(window, addr, last_addr, write, order, cycle);
}

void Snooper::found(uint64_t window, uint32_t addr, uint32_t last_addr, bool write, Order order, uint64_t cycle) {
    if (!declared_.find(window)) {
        const uint64_t* now = stored_.find(window);
        const uint64_t* since = now ? now : stored_before_.find(window);
        if (!since) return;
        const uint64_t first = plain_since(addr), last = plain_since(last_addr);
        if (first && last && first <= *since && last <= *since) {
            counters_.input_hits++;
            return;
        }
    }
    if (output_.find(window)) {
        counters_.output_hits++;
        return;
    }
    (order == Order::RAM ? counters_.ram_hits : counters_.bus_hits)++;
    if (hits_.size() < MOST_HITS)
        hits_.push_back({cycle, window, addr, order == Order::RAM ? "ram" : write ? "write" : "read",
                         order == Order::BEAT ? "beat" : "address"});
}

void Snooper::burst(bool write, const BurstData& data, uint64_t cycle) {
    counters_.bus_bytes += 8 * data.beats;
    if (!armed_) return;
    Stream& stream = streams_[write];
    bool ascending = true, full = true;
    uint32_t low = 0xFFFFFFFF, high = 0;
    for (unsigned n = 0; n < data.beats; n++) {
        const uint32_t addr = data.decoded ? data.word_addr(n) : 0;
        const uint64_t now = data.data[n];
        if (stream.any) {
            for (unsigned k = 1; k < 8; k++)
                look(stream.data >> (8 * k) | now << (64 - 8 * k), stream.addr + k, addr + k - 1, write, Order::BEAT, cycle);
            counters_.windows_searched += 7;
        }
        look(now, addr, addr + 7, write, Order::BEAT, cycle);
        counters_.windows_searched++;
        ascending &= !n || addr == stream.addr + 8;
        full &= !write || data.strobe[n] == 0xFF;
        stream = Stream{now, addr, true};
        low = std::min(low, addr), high = std::max(high, addr + 8);
        if (data.decoded && seen_.inside(addr, 8))
            for (unsigned i = 0; i < 8; i++)
                if (!write || data.strobe[n] >> i & 1) seen_.put(addr + i, now >> (8 * i));
    }
    if (!data.decoded || !data.beats || !seen_.inside(low, high - low)) return;
    const auto each = [&](uint32_t addr, uint64_t window) {
        counters_.windows_searched++;
        look(window, addr, addr + 7, write, Order::ADDRESS, cycle);
    };
    if (ascending && full) {
        seen_.windows(int64_t{low} - 7, low, each);
        seen_.windows(int64_t{high} - 7, high, each);
    } else {
        seen_.windows(int64_t{low} - 7, high, each);
    }
}

void Snooper::search_memory(const LazyBytes& image, const std::vector<bool>& touched, uint64_t cycle) {
    if (!armed_) return;
    protected_.all_windows([&](uint32_t, uint64_t w) { add_stored(w, cycle); });
    for (size_t page = 0; page < touched.size(); page++) {
        if (!touched[page]) continue;
        const size_t begin = page && !touched[page - 1] ? page * 4096 - 7 : page * 4096;
        const size_t end = std::min((page + 1) * 4096, image.size() - 7);
        for (size_t at = begin; at < end; at++) {
            counters_.ram_windows_searched++;
            const uint32_t addr = base_ + static_cast<uint32_t>(at);
            look(window_at(image.data() + at), addr, addr + 7, false, Order::RAM, cycle);
        }
    }
}

}  // namespace hakone
