// See sdram_chip.h.
#include "sdram_chip.h"

#include <algorithm>
#include <cstring>

#include "support.h"

namespace hakone {

namespace {

constexpr uint64_t NS = 1000, US = 1000 * NS, MS = 1000 * US;
enum Command : unsigned { LOAD_MODE = 0, REFRESH = 1, PRECHARGE = 2, ACTIVE = 3, WRITE = 4, READ = 5, TERMINATE = 6, NOP = 7 };
constexpr const char* NAMES[] = {"LOAD MODE REGISTER", "AUTO REFRESH", "PRECHARGE", "ACTIVE", "WRITE", "READ", "BURST TERMINATE", "NOP"};
constexpr unsigned A10 = 1u << 10;
constexpr unsigned FULL_PAGE = 7;

const SdramPart PARTS[] = {
    {"mt48lc16m16a2-75", 512, 8192, 10 * NS, 7500, 20 * NS, 20 * NS, 44 * NS, 120 * US, 66 * NS, 66 * NS, 15 * NS, 15 * NS, 0, 2, 1,
     6 * NS, 5400, 3 * NS, 6 * NS, 5400, 1500, 800, 100 * US, 64 * MS, 2},
    {"as4c32m16sb-7", 1024, 8192, 10 * NS, 7 * NS, 21 * NS, 21 * NS, 42 * NS, 120 * US, 63 * NS, 63 * NS, 14 * NS, 14 * NS, 14 * NS, 1, 1,
     6 * NS, 5400, 2500, 5400, 5400, 1500, 800, 200 * US, 64 * MS, 2},
};

std::string ns(uint64_t ps) {
    char text[40];
    snprintf(text, sizeof text, "%.1f ns", static_cast<double>(ps) / 1000);
    return text;
}

}  // namespace

const SdramPart& sdram_part(const std::string& name) {
    for (const SdramPart& part : PARTS)
        if (part.name == name) return part;
    throw BadInput(name + ": no such SDRAM; there are mt48lc16m16a2-75 and as4c32m16sb-7");
}

SdramChip::SdramChip(const SdramPart& part, uint64_t period, uint64_t shift, uint8_t* cells, Place place, SdramWatcher* watcher)
    : part_(part), period_(period), shift_(shift), cells_(cells), place_(place), watcher_(watcher), row_refreshed_(part.rows, NEVER) {
    if (shift < part.tis) broken("tIS", -1, "the clock rises " + ns(shift) + " after its inputs change, " + ns(part.tis) + " are required");
    if (period - shift < part.tih)
        broken("tIH", -1, "inputs change " + ns(period - shift) + " after the clock has risen, " + ns(part.tih) + " are required");
}

void SdramChip::broken(const std::string& rule, int bank, const std::string& what) {
    if (!violation_.empty()) return;
    violation_ = "SDRAM " + rule + ": " + (bank < 0 ? "all banks" : "bank " + std::to_string(bank)) + ", cycle " + std::to_string(now_) + ": " + what;
}

void SdramChip::apart(const char* rule, int bank, const char* what, uint64_t since, uint64_t needed, unsigned clocks) {
    if (since == NEVER) return;
    const uint64_t cycles = now_ - since, passed = cycles * period_;
    if (passed >= needed && cycles >= clocks) return;
    std::string limit = passed < needed ? ns(needed) + " are required" : std::to_string(clocks) + " cycles are required";
    broken(rule, bank, std::string(what) + " after " + ns(passed) + " (" + std::to_string(cycles) + " cycles), " + limit);
}

unsigned SdramChip::burst_length() const {
    const unsigned code = mode_ & 7;
    return code == FULL_PAGE ? part_.columns : 1u << code;
}

/// Column of the next word: in sequence inside the burst's block, or interleaved (data sheet, "Burst Definition").
unsigned SdramChip::burst_column(const Transfer& t) const {
    const unsigned length = burst_length(), low = t.column & (length - 1);
    const unsigned inside = mode_ & 8 ? low ^ t.done : (low + t.done) & (length - 1);
    return (t.column & ~(length - 1)) | inside;
}

void SdramChip::check_power_up(unsigned code, const SdramInputs& pads) {
    const char* name = NAMES[code];
    if (elapsed(clocked_) < part_.power_up)
        broken("power-up pause", -1, std::string(name) + " " + ns(elapsed(clocked_)) + " after the clock, " + ns(part_.power_up) + " are required");
    if (code == PRECHARGE) {
        all_precharged_ |= (pads.a & A10) != 0;
    } else if (!all_precharged_) {
        broken("power-up order", -1, std::string(name) + " comes before PRECHARGE of all banks");
    } else if (code != REFRESH && code != LOAD_MODE) {
        broken("power-up order", -1, std::string(name) + " comes before " + (mode_set_ == NEVER ? "LOAD MODE REGISTER" : "the refreshes"));
    }
}

void SdramChip::command(const SdramInputs& pads) {
    const unsigned code = pads.cs_n ? unsigned{NOP} : pads.ras_n << 2 | pads.cas_n << 1 | pads.we_n;
    if (code == NOP) return;
    if (!in_use_) check_power_up(code, pads);
    apart("tMRD", -1, "a command follows LOAD MODE REGISTER", mode_set_, part_.tmrd, part_.tmrd_clocks);
    apart("tRFC", -1, "a command follows AUTO REFRESH", last_refresh_, part_.trfc);
    switch (code) {
        case ACTIVE: activate(pads.ba, pads.a); break;
        case READ: column(pads, false); break;
        case WRITE: column(pads, true); break;
        case PRECHARGE:
            for (unsigned bank = 0; bank < 4; bank++)
                if (pads.a & A10 || bank == pads.ba) precharge(bank, "PRECHARGE");
            counters_.precharges++;
            break;
        case REFRESH: refresh(); break;
        case LOAD_MODE: load_mode(pads); break;
        case TERMINATE:
            if (transfer_.active && transfer_.auto_precharge) broken("BURST TERMINATE", static_cast<int>(transfer_.bank), "of a burst with auto precharge");
            stop_transfer();
            break;
        default: break;
    }
    if (!in_use_ && mode_set_ != NEVER && early_refreshes_ >= part_.power_up_refreshes) {
        in_use_ = true;
        in_use_since_ = now_;
        std::fill(row_refreshed_.begin(), row_refreshed_.end(), now_);
    }
}

void SdramChip::activate(unsigned number, unsigned row) {
    Bank& bank = banks_[number];
    const int n = static_cast<int>(number);
    if (bank.open) broken("bank open", n, "ACTIVE while row " + std::to_string(bank.row) + " is open; PRECHARGE must come before");
    apart("tRP", n, "ACTIVE follows PRECHARGE", bank.precharged, part_.trp);
    apart("tRC", n, "ACTIVE follows ACTIVE", bank.activated, part_.trc);
    apart("tRRD", n, "ACTIVE follows ACTIVE of another bank", last_activate_, part_.trrd);
    if (row >= part_.rows) broken("row", n, "row " + std::to_string(row) + " does not exist");
    bank.open = bank.fresh = true;
    bank.row = row;
    bank.activated = last_activate_ = now_;
    bank.last_write = bank.auto_precharge = NEVER;
    counters_.activates++;
}

/// Words that are on their way to the pads still come, for the CAS latency.
void SdramChip::stop_transfer() { transfer_.active = false; }

void SdramChip::column(const SdramInputs& pads, bool write) {
    const int n = pads.ba;
    Bank& bank = banks_[pads.ba];
    const char* name = write ? "WRITE" : "READ";
    if (!bank.open) return broken("bank closed", n, std::string(name) + " while no row is open");
    apart("tRCD", n, write ? "WRITE follows ACTIVE" : "READ follows ACTIVE", bank.activated, part_.trcd);
    if (bank.auto_precharge != NEVER) broken("auto precharge", n, std::string(name) + " while the row is about to close by itself");
    if (transfer_.active && transfer_.auto_precharge && transfer_.bank == pads.ba)
        broken("auto precharge", n, std::string(name) + " interrupts a burst with auto precharge");
    if ((pads.a & (A10 - 1)) >= part_.columns || pads.a >> 11) broken("column", n, "address " + std::to_string(pads.a) + " is no column");
    if (elapsed(bank.activated) > part_.tras_max)
        broken("tRAS max", n, "the row is open for " + ns(elapsed(bank.activated)) + ", " + ns(part_.tras_max) + " are allowed");
    stop_transfer();
    counters_.row_hits += !bank.fresh;
    (write ? counters_.writes : counters_.reads)++;
    bank.fresh = false;
    transfer_ = {true, write, (pads.a & A10) != 0, pads.ba, bank.row, pads.a & (A10 - 1u), 0, now_};
}

void SdramChip::precharge(unsigned number, const char* what) {
    Bank& bank = banks_[number];
    const int n = static_cast<int>(number);
    if (transfer_.active && transfer_.bank == number) {
        if (transfer_.auto_precharge) broken("auto precharge", n, std::string(what) + " interrupts a burst with auto precharge");
        stop_transfer();
    }
    if (!bank.open) return;  // then it is a NOP (truth table 3)
    apart("tRAS", n, "PRECHARGE follows ACTIVE", bank.activated, part_.tras);
    apart("tWR", n, "PRECHARGE follows the last word written", bank.last_write, part_.twr, part_.twr_clocks);
    if (elapsed(bank.activated) > part_.tras_max)
        broken("tRAS max", n, "the row was open for " + ns(elapsed(bank.activated)) + ", " + ns(part_.tras_max) + " are allowed");
    bank.open = false;
    bank.precharged = now_;
    bank.auto_precharge = NEVER;
}

void SdramChip::refresh() {
    for (unsigned n = 0; n < 4; n++) {
        if (banks_[n].open) broken("idle", static_cast<int>(n), "AUTO REFRESH while a row is open");
        apart("tRP", static_cast<int>(n), "AUTO REFRESH follows PRECHARGE", banks_[n].precharged, part_.trp);
        apart("tRC", static_cast<int>(n), "AUTO REFRESH follows ACTIVE", banks_[n].activated, part_.trc);
    }
    last_refresh_ = now_;
    counters_.refreshes++;
    if (!in_use_) {
        early_refreshes_++;
        return;
    }
    // Each refresh takes the next row of the chip's own counter, so a row's turn comes again with the 8192nd.
    row_refreshed_[regular_refreshes_++ % part_.rows] = now_;
}

/// Late rows, and a controller that falls behind its even pace by more than one refresh.
void SdramChip::check_refresh() {
    const uint64_t oldest = row_refreshed_[regular_refreshes_ % part_.rows];
    if (elapsed(oldest) > part_.refresh_period)
        broken("refresh", -1, "a row was not refreshed for " + ns(elapsed(oldest)) + ", " + ns(part_.refresh_period) + " are allowed");
    const uint64_t interval = part_.refresh_period / part_.rows;
    if (elapsed(in_use_since_) > (regular_refreshes_ + 2) * interval)
        broken("tREFI", -1, std::to_string(regular_refreshes_) + " refreshes in " + ns(elapsed(in_use_since_)) + ", one every " + ns(interval) + " is required");
}

void SdramChip::load_mode(const SdramInputs& pads) {
    for (unsigned n = 0; n < 4; n++) {
        if (banks_[n].open) broken("idle", static_cast<int>(n), "LOAD MODE REGISTER while a row is open");
        apart("tRP", static_cast<int>(n), "LOAD MODE REGISTER follows PRECHARGE", banks_[n].precharged, part_.trp);
    }
    const unsigned length = pads.a & 7, cas = pads.a >> 4 & 7;
    const bool interleaved = pads.a & 8;
    if (pads.ba || pads.a & ~0x27Fu) broken("mode register", -1, "reserved bits are set: " + std::to_string(pads.a));
    if (length > 3 && (length != FULL_PAGE || interleaved)) broken("mode register", -1, "burst length code " + std::to_string(length) + " is reserved");
    if (cas != 2 && cas != 3) broken("mode register", -1, "CAS latency " + std::to_string(cas) + " is not one of 2 and 3");
    const uint64_t shortest = cas == 2 ? part_.tck2 : part_.tck3;
    if (period_ < shortest) broken("tCK", -1, "a clock of " + ns(period_) + " with CAS latency " + std::to_string(cas) + ", " + ns(shortest) + " are required");
    mode_ = pads.a;
    cas_ = cas;
    mode_set_ = now_;
}

/// One word in or out for the burst under way.
void SdramChip::move_data(const SdramInputs& pads) {
    Transfer& t = transfer_;
    const size_t place = place_(part_, t.bank, t.row, burst_column(t));
    if (t.write) {
        const unsigned mask = pads.dqm & 3;
        if (!pads.dq_oe && mask != 3) broken("write data", static_cast<int>(t.bank), "the data pads are not driven");
        if (!(mask & 1)) cells_[place] = static_cast<uint8_t>(pads.dq);
        if (!(mask & 2)) cells_[place + 1] = static_cast<uint8_t>(pads.dq >> 8);
        banks_[t.bank].last_write = now_;
        counters_.data_clocks++;
        if (watcher_) watcher_->word(true, place, pads.dq, mask);
    } else {
        Output& o = outputs_[(now_ + cas_) % outputs_.size()];
        o = {now_ + cas_, 0, 0, place};
        memcpy(&o.data, cells_ + place, 2);
    }
    const bool single = t.write && mode_ & 0x200;
    if (++t.done < (single ? 1 : burst_length()) || (mode_ & 7) == FULL_PAGE) return;
    t.active = false;
    // A read's row closes as early as PRECHARGE could have been given; a write's after its recovery.
    if (t.auto_precharge) {
        const uint64_t recovery = std::max<uint64_t>(part_.twr_clocks, (part_.twr + period_ - 1) / period_);
        banks_[t.bank].auto_precharge = now_ + (t.write ? recovery : 1);
    }
}

void SdramChip::close_by_itself() {
    for (unsigned n = 0; n < 4; n++)
        if (banks_[n].auto_precharge == now_) precharge(n, "auto precharge");
}

/// The data pads at this edge: who drives them, and what the chip's watcher sees.
void SdramChip::drive(const SdramInputs& pads) {
    Output& o = outputs_[now_ % outputs_.size()];
    const bool driven = o.edge == now_;
    if (driven) {
        o.mask = masks_before_[0];  // DQM masks reads two clocks later
        if (o.mask != 3) {
            counters_.data_clocks++;
            last_output_ = now_;
            if (watcher_) watcher_->word(false, o.place, o.data, o.mask);
        }
    }
    if (pads.dq_oe) {
        // The controller drives from `shift` before this edge on. The chip lets go tHZ after the edge of its last word.
        const uint64_t thz = cas_ == 2 ? part_.thz2 : part_.thz3;
        if (driven && o.mask != 3) broken("data bus", -1, "the controller drives while the chip does");
        else if (last_output_ != NEVER && (now_ - last_output_) * period_ < shift_ + thz)
            broken("data bus", -1, "the controller drives " + ns((now_ - last_output_) * period_ - shift_) + " after the clock of the chip's last word, " + ns(thz) + " are required");
        if (!transfer_.active || !transfer_.write) broken("data bus", -1, "the controller drives without a write");
    }
}

void SdramChip::edge(const SdramInputs& pads) {
    if (!pads.cke) {
        if (clocked_ != NEVER) broken("CKE", -1, "low, which is not modelled");
    } else {
        if (clocked_ == NEVER) clocked_ = now_;
        close_by_itself();
        command(pads);
        if (pads.dq_oe || outputs_[now_ % outputs_.size()].edge == now_) drive(pads);
        if (transfer_.active) move_data(pads);
        if (in_use_) check_refresh();
        masks_before_ = {masks_before_[1], pads.dqm};
    }
    now_++;
}

uint16_t SdramChip::seen_at(uint64_t edge_of_controller) const {
    // The word for chip edge m is valid from tAC after edge m-1 to tOH after edge m; edge m comes at m * period + shift.
    const uint64_t time = edge_of_controller * period_, access = cas_ == 2 ? part_.tac2 : part_.tac3;
    if (!cas_ || time + period_ < shift_ + access) return 0xDEAD;
    const uint64_t m = (time + period_ - shift_ - access) / period_;
    const Output& o = outputs_[m % outputs_.size()];
    if (o.edge != m || time > m * period_ + shift_ + part_.toh) return 0xDEAD;
    // DQM two clocks before; of an edge still to come it is known already.
    const unsigned mask = m >= now_ ? (m - now_ < 2 ? masks_before_[m - now_] : 0) : o.mask;
    return static_cast<uint16_t>((o.data & ~(mask & 1 ? 0xFF : 0) & ~(mask & 2 ? 0xFF00 : 0)) | (mask & 1 ? 0xAD : 0) | (mask & 2 ? 0xDE00 : 0));
}

void SdramChip::finish() {
    for (unsigned n = 0; n < 4; n++)
        if (banks_[n].open && elapsed(banks_[n].activated) > part_.tras_max)
            broken("tRAS max", static_cast<int>(n), "the row is still open after " + ns(elapsed(banks_[n].activated)) + ", " + ns(part_.tras_max) + " are allowed");
}

}  // namespace hakone
