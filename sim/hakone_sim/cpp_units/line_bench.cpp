// Drives hakone_sim.line_bench.LineBench before an ideal memory and prints, a JSON line each, the mean cycles of a
// line's fill and eviction: plain (domain 0), AES-128-XTS (domain 1), AES-256-XTS (domain 2).
//
//   model REQUEST WORD
//
// An eviction is announced, requested REQUEST cycles later, and its first word offered WORD cycles after the request
// was taken.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "Vline_bench.h"
#include "verilated.h"

namespace {

constexpr unsigned BEATS = 8, LINES = 48, TIMEOUT = 2000;
constexpr uint32_t BASE_LINE = 0x80000000u >> 6;

Vline_bench* top;
uint64_t cycle = 0;
unsigned latency = 10, request_cycles, word_cycles;
std::map<uint32_t, std::vector<uint64_t>> memory;

struct Burst {
    uint32_t line;
    uint64_t due;
    unsigned beat;
};
std::deque<Burst> reads;
uint32_t write_line;
unsigned write_beat = 0;
bool write_address = false, answer = false;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s at cycle %llu\n", what, static_cast<unsigned long long>(cycle));
    std::exit(1);
}

std::vector<uint64_t>& words(uint32_t line) {
    auto& w = memory[line];
    if (w.empty()) w.resize(BEATS);
    return w;
}

// Inputs of this cycle from the memory's state, then settle.
void settle() {
    top->axi___05Farready = 1;
    top->axi___05Fawready = !write_address;
    top->axi___05Fwready = 1;
    top->axi___05Fbvalid = answer;
    top->axi___05Fbresp = 0;
    const bool ready = !reads.empty() && cycle >= reads.front().due;
    top->axi___05Frvalid = ready;
    top->axi___05Frresp = 0;
    if (ready) {
        top->axi___05Frdata = words(reads.front().line)[reads.front().beat];
        top->axi___05Frlast = reads.front().beat == BEATS - 1;
    }
    top->eval();
}

// The rising edge: take what was handed over in the cycle that has settled.
void rise() {
    if (top->axi___05Fbvalid && top->axi___05Fbready) answer = false;
    if (top->axi___05Farvalid) reads.push_back({top->axi___05Faraddr >> 6, cycle + latency, 0});
    if (top->axi___05Frvalid && top->axi___05Frready && ++reads.front().beat == BEATS) reads.pop_front();
    if (top->axi___05Fawvalid && top->axi___05Fawready) {
        write_line = top->axi___05Fawaddr >> 6;
        write_address = true;
    }
    static std::vector<uint64_t> data;
    if (top->axi___05Fwvalid) data.push_back(top->axi___05Fwdata);
    if (write_address && data.size() == BEATS) {
        words(write_line) = data;
        data.clear();
        write_address = false;
        answer = true;
    }
    top->clk = 1;
    top->eval();
    top->clk = 0;
    cycle++;
}

void step() {
    settle();
    rise();
}

void install_key(unsigned slot, unsigned algorithm, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        const uint32_t word = 0x9E3779B9u * (i + 1 + 17 * slot);
        // KeyWord: slot 4, algorithm 3, index 4, word 32, last 1, lowest first.
        uint64_t value = slot | algorithm << 4 | i << 7;
        value |= static_cast<uint64_t>(word) << 11 | static_cast<uint64_t>(i + 1 == count) << 43;
        top->key = value;
        top->key_valid = 1;
        for (unsigned wait = 0;; wait++) {
            settle();
            const bool taken = top->key_ready;
            rise();
            if (taken) break;
            if (wait > TIMEOUT) fail("a key word is not taken");
        }
    }
    top->key_valid = 0;
    for (unsigned wait = 0; !(top->slots >> slot & 1); wait++) {
        if (wait > TIMEOUT) fail("a key slot does not become valid");
        step();
    }
}

void install_domain(unsigned number, unsigned slot, unsigned algorithm, uint32_t tag) {
    // DomainRow: valid 1, algorithm 3, key_slot 4, tag 32, base_line 26, lowest first.
    const uint64_t low = 1 | algorithm << 1 | slot << 4 | static_cast<uint64_t>(tag) << 8;
    const uint64_t row = low | static_cast<uint64_t>(BASE_LINE) << 40;
    top->domain_row[0] = static_cast<uint32_t>(row);
    top->domain_row[1] = static_cast<uint32_t>(row >> 32);
    top->domain_row[2] = BASE_LINE >> 24;
    top->domain_number = number;
    top->domain_install = 1;
    step();
    top->domain_install = 0;
}

uint64_t pattern(uint32_t line, unsigned beat) { return 0x0101010101010101ull * (line & 0xFF) + beat * 0x1111ull + line; }

// The data cache's slot for a line: 64 sets, always the first way.
unsigned slot_of(uint32_t line) { return line & 63; }

// As the data cache reads a line: to its slot, to be kept.
double fill(uint32_t line, unsigned domain, bool check) {
    // LineRead: line 26, domain 4, keep 1, slot 8, lowest first.
    top->lines___05Fread___05Fpayload = line | static_cast<uint64_t>(domain | 1u << 4 | slot_of(line) << 5) << 26;
    top->lines___05Fread___05Fvalid = 1;
    uint64_t start = 0;
    for (unsigned wait = 0;; wait++) {
        settle();
        const bool taken = top->lines___05Fread___05Fready;
        if (taken) start = cycle;
        rise();
        if (taken) break;
        if (wait > TIMEOUT) fail("a read is not taken");
    }
    top->lines___05Fread___05Fvalid = 0;
    unsigned beat = 0;
    for (unsigned wait = 0;; wait++) {
        settle();
        const bool valid = top->lines___05Fbeat_valid;
        // LineBeat: data 64, last 1, error 1.
        const uint64_t data = top->lines___05Fbeat[0] | static_cast<uint64_t>(top->lines___05Fbeat[1]) << 32;
        const bool last = top->lines___05Fbeat[2] & 1, error = top->lines___05Fbeat[2] >> 1 & 1;
        const uint64_t now = cycle;
        rise();
        if (valid) {
            if (error) fail("a beat has an error");
            if (check && data != pattern(line, beat)) fail("a line does not come back as it went");
            if (last != (++beat == BEATS)) fail("the last beat is in the wrong place");
            if (last) return static_cast<double>(now - start);
        }
        if (wait > TIMEOUT) fail("a line does not arrive");
    }
}

// As the victim buffer writes a line that was read before.
double evict(uint32_t line, unsigned domain) {
    static unsigned place = 1;
    place ^= 1;
    // LineAnnounce: slot 8, place 1; LineWrite: line 26, domain 4, place 1, lowest first.
    top->lines___05Fannounce = slot_of(line) | place << 8;
    top->lines___05Fwrite___05Fpayload = line | domain << 26 | place << 30;
    for (unsigned wait = 0;; wait++) {
        top->lines___05Fannounce_valid = wait == 0;
        top->lines___05Fwrite___05Fvalid = wait >= request_cycles;
        settle();
        const bool taken = top->lines___05Fwrite___05Fvalid && top->lines___05Fwrite___05Fready;
        rise();
        top->lines___05Fannounce_valid = 0;
        if (taken) break;
        if (wait > TIMEOUT) fail("a write is not taken");
    }
    top->lines___05Fwrite___05Fvalid = 0;
    for (unsigned i = 1; i < word_cycles; i++) step();
    const uint64_t start = cycle;
    unsigned beat = 0;
    for (unsigned wait = 0;; wait++) {
        top->lines___05Fwdata___05Fvalid = beat < BEATS;
        top->lines___05Fwdata___05Fpayload = pattern(line, beat);
        settle();
        if (beat < BEATS && top->lines___05Fwdata___05Fready) beat++;
        const bool done = top->lines___05Fwrite_done;
        if (done && top->lines___05Fwrite_error) fail("a write has an error");
        const uint64_t now = cycle;
        rise();
        if (done) return static_cast<double>(now - start);
        if (wait > TIMEOUT) fail("a write is not acknowledged");
    }
}

void print(const char* what, const char* order, unsigned domain, double cycles) {
    std::printf("{\"what\": \"%s\", \"order\": \"%s\", \"latency\": %u, \"domain\": %u, \"cycles\": %.4f}\n", what, order, latency,
                domain, cycles);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) fail("usage: model REQUEST WORD");
    request_cycles = static_cast<unsigned>(std::atoi(argv[1]));
    word_cycles = static_cast<unsigned>(std::atoi(argv[2]));
    top = new Vline_bench;
    top->rst = 1;
    for (unsigned i = 0; i < 4; i++) step();
    top->rst = 0;
    for (unsigned i = 0; i < 600; i++) step();  // the key store wipes itself first
    install_key(0, 1, 8);
    install_key(1, 2, 16);
    install_domain(1, 0, 1, 7);
    install_domain(2, 1, 2, 8);
    for (unsigned n : {2u, 10u, 14u, 30u}) {
        latency = n;
        for (unsigned domain = 0; domain < 3; domain++) {
            double sum = 0;
            for (unsigned i = 0; i < LINES; i++) fill(BASE_LINE + i, domain, false);
            for (unsigned i = 0; i < LINES; i++) sum += evict(BASE_LINE + i, domain);
            print("evict", "sequential", domain, sum / LINES);
            sum = 0;
            fill(BASE_LINE, domain, true);  // the first line of a stream is not foreseen
            for (unsigned i = 1; i < LINES; i++) sum += fill(BASE_LINE + i, domain, true);
            print("fill", "sequential", domain, sum / (LINES - 1));
            sum = 0;
            for (unsigned i = 0; i < LINES; i++) sum += fill(BASE_LINE + i * 29 % LINES, domain, true);
            print("fill", "random", domain, sum / LINES);
        }
    }
    top->final();
    return 0;
}
