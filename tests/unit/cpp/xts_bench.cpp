// Drives the line engine and the key store from a file of keys and lines, and writes what came out and when.
//
//   model CASES RESULTS SEED PREPARE START DATA RESULT
//
// The last four are probabilities in 1/256 that the driver of that stream pauses in a cycle. CASES holds records of 128
// bytes: kind (0 line, 1 key, 2 erase), algorithm, slot, encrypt, key words, 11 bytes of zero, tweak (16), data (64) or
// key (64), zero. Keys wait until all lines are out. RESULTS holds for each line 64 bytes of result, then 32-bit cycle
// numbers: prepare taken, start taken, eight words taken, eight words out.
// The driver checks that a result word stays as it is until it is taken. A run that hangs ends with status 2.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vxts_bench.h"
#include "verilated.h"

namespace {

constexpr uint64_t PATIENCE = 2000;  // cycles without any progress
constexpr unsigned PLACES = 4;

struct Record {
    uint8_t kind, algorithm, slot, encrypt, words, zero[11], tweak[16], data[64], rest[32];
};
static_assert(sizeof(Record) == 128);

struct Outcome {
    uint64_t words[8];
    uint32_t prepared, started, in[8], out[8];
};

Vxts_bench dut;
uint64_t cycle = 0;
uint64_t random_state;

bool pause(int probability) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return int(random_state >> 24 & 255) < probability;
}

[[noreturn]] void fail(const char* text, int status) {
    std::fprintf(stderr, "%s in cycle %llu\n", text, static_cast<unsigned long long>(cycle));
    std::exit(status);
}

void low() {
    dut.clk = 0;
    dut.eval();
}

void high() {
    dut.clk = 1;
    dut.eval();
    ++cycle;
}

void install(const Record& r) {
    for (unsigned n = 0; n < r.words; ++n) {
        uint32_t word;
        std::memcpy(&word, r.data + 4 * n, 4);
        dut.install_slot = r.slot;
        dut.install_algorithm = r.algorithm;
        dut.install_index = n;
        dut.install_word = word;
        dut.install_last = n + 1 == r.words;
        dut.install_valid = 1;
        for (uint64_t since = cycle;; high()) {
            low();
            if (dut.install_ready) break;
            if (cycle - since > PATIENCE) fail("the key store takes no word", 2);
        }
        high();
        dut.install_valid = 0;
    }
}

void erase(const Record& r) {
    dut.erase_valid = 1;
    dut.erase_payload = r.slot;
    for (low(); !dut.erase_ready; low()) high();
    high();
    dut.erase_valid = 0;
    for (low(); dut.busy; low()) high();
}

// Runs `count` lines, as many at once as the engine takes.
void run_lines(const Record* lines, Outcome* outcomes, unsigned count, const int* pauses) {
    unsigned prepared = 0, started = 0, in = 0, out = 0;
    bool prepare_on = false, start_on = false, data_on = false, held = false;
    uint64_t held_word = 0;
    const uint64_t nothing = dut.result_payload;  // a constant while there is no result
    for (uint64_t since = cycle; out < 8 * count;) {
        // A place is free when the first result word of its last line is out.
        prepare_on = prepare_on || (prepared < count && 8 * prepared < out + 7 + 8 * (PLACES - 1) && !pause(pauses[0]));
        start_on = start_on || (started < prepared && !pause(pauses[1]));
        data_on = data_on || (in < 8 * count && !pause(pauses[2]));
        dut.prepare_valid = prepare_on;
        if (prepare_on) {
            const Record& r = lines[prepared];
            dut.prepare_algorithm = r.algorithm;
            dut.prepare_key_slot = r.slot;
            std::memcpy(&dut.prepare_tweak, r.tweak, 16);
            dut.prepare_place = prepared % PLACES;
        }
        dut.start_valid = start_on;
        if (start_on) {
            const Record& r = lines[started];
            dut.start_algorithm = r.algorithm;
            dut.start_key_slot = r.slot;
            dut.start_encrypt = r.encrypt;
            dut.start_place = started % PLACES;
        }
        dut.data_valid = data_on;
        dut.data_payload = 0;
        if (data_on) std::memcpy(&dut.data_payload, lines[in / 8].data + in % 8 * 8, 8);
        dut.result_ready = !pause(pauses[3]);
        low();
        const bool prepare_taken = prepare_on && dut.prepare_ready, start_taken = start_on && dut.start_ready;
        const bool data_taken = data_on && dut.data_ready, result_taken = dut.result_valid && dut.result_ready;
        if (held && (!dut.result_valid || dut.result_payload != held_word)) fail("a waiting result changed", 3);
        if (!dut.result_valid && dut.result_payload != nothing) fail("a result is shown without being valid", 4);
        held = dut.result_valid && !dut.result_ready;
        held_word = dut.result_payload;
        if (result_taken) {
            outcomes[out / 8].words[out % 8] = dut.result_payload;
            outcomes[out / 8].out[out % 8] = uint32_t(cycle);
            ++out;
        }
        if (data_taken) outcomes[in / 8].in[in % 8] = uint32_t(cycle), ++in, data_on = false;
        if (start_taken) outcomes[started].started = uint32_t(cycle), ++started, start_on = false;
        if (prepare_taken) outcomes[prepared].prepared = uint32_t(cycle), ++prepared, prepare_on = false;
        if (result_taken || data_taken || start_taken || prepare_taken) since = cycle;
        if (cycle - since > PATIENCE) fail("nothing moves any more", 2);
        high();
    }
    dut.result_ready = 0;
}

std::vector<Record> load(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    if (!file) fail("the case file cannot be read", 1);
    std::vector<Record> records;
    for (Record r; std::fread(&r, sizeof r, 1, file) == 1;) records.push_back(r);
    std::fclose(file);
    return records;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 8) fail("usage: model CASES RESULTS SEED PREPARE START DATA RESULT", 1);
    const std::vector<Record> records = load(argv[1]);
    random_state = std::strtoull(argv[3], nullptr, 0) * 0x9E3779B97F4A7C15u + 1;
    const int pauses[4] = {std::atoi(argv[4]), std::atoi(argv[5]), std::atoi(argv[6]), std::atoi(argv[7])};
    std::vector<Outcome> outcomes;
    dut.rst = 1;
    for (int n = 0; n < 3; ++n) low(), high();
    dut.rst = 0;
    for (size_t n = 0; n < records.size();) {
        if (records[n].kind == 1) {
            install(records[n++]);
        } else if (records[n].kind == 2) {
            erase(records[n++]);
        } else {
            size_t end = n;
            while (end < records.size() && records[end].kind == 0) ++end;
            outcomes.resize(outcomes.size() + end - n);
            run_lines(&records[n], &outcomes[outcomes.size() - (end - n)], unsigned(end - n), pauses);
            n = end;
        }
    }
    std::FILE* file = std::fopen(argv[2], "wb");
    if (!file || std::fwrite(outcomes.data(), sizeof(Outcome), outcomes.size(), file) != outcomes.size()) {
        fail("the results cannot be written", 1);
    }
    std::fclose(file);
    std::printf("%llu cycles\n", static_cast<unsigned long long>(cycle));
}
