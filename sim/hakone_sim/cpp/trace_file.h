// The trace file: a header of 32 bytes, then a record of 32 bytes for every retired instruction, trap and store, in
// the order in which they happened. Read by hakone_sim.trace; all words little-endian.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace hakone {

/// `info`: bits 1..0 kind (1 retire, 2 trap, 3 store), 6..2 rd, 7 rd_write, 13..8 cause (bit 5 of it: interrupt),
/// 17..14 context, 18 encrypted, 20..19 level, 24..21 store strobe, 25 store to a protected domain.
struct TraceRecord {
    uint64_t cycle;
    uint32_t pc;     // store: word address
    uint32_t raw;    // store: data
    uint32_t value;  // of rd; trap: tval
    uint32_t info;
    uint32_t instruction;  // instructions retired before this record, low half
    uint32_t events;       // from the record before until this one: those of its memory stage; 0 for a store
};
static_assert(sizeof(TraceRecord) == 32, "the format has records of 32 bytes");

class TraceFile {
public:
    /// Throws BadInput when the file cannot be opened.
    explicit TraceFile(const std::string& path);
    ~TraceFile();
    TraceFile(const TraceFile&) = delete;
    TraceFile& operator=(const TraceFile&) = delete;
    void add(const TraceRecord& r) {
        buffer_.push_back(r);
        if (buffer_.size() == BUFFER) flush();
    }
    void flush();

private:
    static constexpr size_t BUFFER = 16384;
    FILE* file_;
    std::vector<TraceRecord> buffer_;
};

}  // namespace hakone
