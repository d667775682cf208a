// An SD card in SPI mode on the pads of the system: SD Physical Layer Simplified Specification 6.00, chapters 4, 5 and 7.
// Read only. It checks what a host must do (CRCs, order, clock rates) and can be told to misbehave.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ports.h"

namespace hakone {

/// How a card differs from a sound high-capacity one.
struct SdCardOptions {
    std::string file;                // content from sector 0, empty for no card
    bool standard_capacity = false;  // byte addresses
    bool first_version = false;      // knows no SEND_IF_COND; standard capacity
    bool multimedia = false;         // no SD card: refuses SD_SEND_OP_COND
    bool wrong_voltage = false;      // does not take what SEND_IF_COND offers
    bool never_ready = false;        // SD_SEND_OP_COND never ends
    bool error_token = false;        // reads end in an error token
    bool silent_read = false;        // reads never begin
    bool flip_always = false;        // a bit of the data is wrong in every read
    uint64_t flip_read = 0;          // only in this read, counted from 1; 0: in none
};

/// Names with commas between, as in the structure; `flip_read=N`. Throws BadInput.
void parse_card_options(const std::string& text, SdCardOptions& options);

class SdCard {
public:
    SdCard(const SdCardOptions& options, uint64_t period_ps);
    /// One cycle: the lines as the system drives them; sets `miso`.
    void step(const Outputs& out, Inputs& in, uint64_t cycle);
    /// What the host did that a host must not do; empty if nothing.
    const std::string& violation() const { return violation_; }
    uint64_t reads() const { return reads_; }

private:
    void rise(bool mosi, uint64_t cycle);
    void take(uint8_t byte);
    void execute();
    void answer(uint8_t r1, std::initializer_list<uint8_t> more = {});
    void read(uint32_t argument);
    bool select(uint8_t number, uint32_t argument);
    void complain(const std::string& what);
    uint8_t idle_bit() const { return ready_ ? 0 : 1; }

    SdCardOptions options_;
    std::vector<uint8_t> content_;
    uint64_t period_ps_;
    bool sclk_ = false, selected_ = false;
    uint64_t last_rise_ = 0;
    bool any_rise_ = false;
    unsigned wake_clocks_ = 0, bits_ = 0;
    uint8_t in_ = 0, out_ = 0xFF;
    std::vector<uint8_t> command_;
    std::deque<uint8_t> pending_;  // bytes to be sent
    bool reset_ = false, ready_ = false, crc_on_ = false, application_ = false, condition_told_ = false;
    unsigned polls_ = 0, commands_ = 0;
    uint64_t reads_ = 0;
    std::string violation_;
};

}  // namespace hakone
