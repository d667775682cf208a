// See sd_card.h.
#include "sd_card.h"

#include <map>

#include "options.h"

namespace hakone {

namespace {

enum : uint8_t { IDLE = 0x01, ILLEGAL = 0x04, CRC_ERROR = 0x08, ADDRESS_ERROR = 0x20, PARAMETER_ERROR = 0x40 };
constexpr unsigned SECTOR = 512, WAKE_CLOCKS = 74, READY_POLLS = 3;
constexpr uint64_t SLOWEST_PS = 2'500'000, FASTEST_PS = 40'000;  // periods of 400 kHz and 25 MHz

// Division by the polynomial, bit by bit, most significant first.
unsigned remainder(const uint8_t* bytes, size_t n, unsigned polynomial, unsigned width) {
    unsigned rest = 0;
    for (size_t i = 0; i < n * 8; i++) {
        const unsigned bit = bytes[i / 8] >> (7 - i % 8) & 1;
        const unsigned top = rest >> (width - 1) & 1;
        rest = (rest << 1) & ((1u << width) - 1);
        if (top ^ bit) rest ^= polynomial;
    }
    return rest;
}

}  // namespace

void parse_card_options(const std::string& text, SdCardOptions& o) {
    const std::map<std::string, bool*> flags = {
        {"standard_capacity", &o.standard_capacity}, {"first_version", &o.first_version}, {"multimedia", &o.multimedia},
        {"wrong_voltage", &o.wrong_voltage},         {"never_ready", &o.never_ready},     {"error_token", &o.error_token},
        {"silent_read", &o.silent_read},             {"flip_always", &o.flip_always},
    };
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find(',', at), text.size());
        const std::string name = text.substr(at, end - at);
        const auto it = flags.find(name);
        if (it != flags.end()) *it->second = true;
        else if (name.rfind("flip_read=", 0) == 0) o.flip_read = strtoull(name.c_str() + 10, nullptr, 10);
        else throw BadInput("--card-options: " + name + ": no such option");
        at = end + 1;
    }
}

SdCard::SdCard(const SdCardOptions& options, uint64_t period_ps)
    : options_(options), content_(read_file(options.file)), period_ps_(period_ps) {
    content_.resize((content_.size() + SECTOR - 1) / SECTOR * SECTOR);
    if (options_.first_version || options_.multimedia) options_.standard_capacity = true;
}

void SdCard::complain(const std::string& what) {
    if (violation_.empty()) violation_ = "SD card: " + what;
}

void SdCard::step(const Outputs& out, Inputs& in, uint64_t cycle) {
    const bool selected = !out.spi_cs_n;
    if (selected != selected_) {
        if (selected && out.spi_sclk) complain("selected while the clock is high");
        if (!selected && bits_) complain("deselected inside a byte");
        selected_ = selected, bits_ = 0, out_ = 0xFF;
        command_.clear(), pending_.clear();
    }
    if (out.spi_sclk != sclk_) {
        sclk_ = out.spi_sclk;
        if (sclk_) rise(out.spi_mosi, cycle);
        else if (bits_ == 8) bits_ = 0, take(in_);
    }
    in.spi_miso = selected_ ? out_ >> (7 - (bits_ - (sclk_ && bits_))) & 1 : 1;
}

void SdCard::rise(bool mosi, uint64_t cycle) {
    const uint64_t period = (cycle - last_rise_) * period_ps_;
    if (any_rise_ && period < FASTEST_PS) complain("clock faster than 25 MHz");
    if (any_rise_ && !ready_ && period < SLOWEST_PS) complain("clock faster than 400 kHz before the card is ready");
    last_rise_ = cycle, any_rise_ = true;
    if (!selected_) {
        wake_clocks_ += mosi;
        return;
    }
    in_ = static_cast<uint8_t>(in_ << 1 | mosi);
    bits_++;
}

/// A byte has come; the next one to be sent is chosen.
void SdCard::take(uint8_t byte) {
    out_ = 0xFF;
    if (!pending_.empty()) {
        if (byte != 0xFF) complain("a command inside an answer");
        out_ = pending_.front();
        pending_.pop_front();
        return;
    }
    if (command_.empty() && (byte & 0xC0) != 0x40) {
        if (byte != 0xFF) complain("a byte that is no command");
        return;
    }
    command_.push_back(byte);
    if (command_.size() < 6) return;
    execute();
    command_.clear();
}

void SdCard::answer(uint8_t r1, std::initializer_list<uint8_t> more) {
    for (unsigned n = commands_ % 8; n; n--) pending_.push_back(0xFF);  // up to eight bytes, the first comes anyway
    pending_.push_back(r1);
    pending_.insert(pending_.end(), more);
}

void SdCard::execute() {
    const uint8_t number = command_[0] & 0x3F;
    const uint32_t argument = uint32_t{command_[1]} << 24 | command_[2] << 16 | command_[3] << 8 | command_[4];
    const bool was_application = application_;
    application_ = false;
    commands_++;
    if (!reset_ && number != 0) return;  // still in the mode of the SD bus: this was not for it
    if (number == 0 && wake_clocks_ < WAKE_CLOCKS) return complain("less than 74 clocks before GO_IDLE_STATE");
    const unsigned crc = remainder(command_.data(), 5, 0x09, 7) << 1 | 1;
    if ((crc_on_ || number == 0 || number == 8) && crc != command_[5]) return answer(idle_bit() | CRC_ERROR);
    if (was_application && number == 41) {
        if (options_.multimedia) return answer(IDLE | ILLEGAL);
        const bool suits = options_.standard_capacity || (argument >> 30 & 1 && condition_told_);
        if (suits && !options_.never_ready && ++polls_ >= READY_POLLS) ready_ = true;
        return answer(idle_bit());
    }
    if (!select(number, argument)) answer(idle_bit() | ILLEGAL);
}

/// An ordinary command; false when it is illegal now.
bool SdCard::select(uint8_t number, uint32_t argument) {
    switch (number) {
        case 0:
            reset_ = true, ready_ = crc_on_ = condition_told_ = false, polls_ = 0;
            answer(IDLE);
            return true;
        case 8: {
            if (options_.first_version || options_.multimedia || ready_) return false;
            const uint8_t voltage = options_.wrong_voltage || (argument >> 8 & 0xF) != 1 ? 0 : 1;
            condition_told_ = voltage;
            answer(idle_bit(), {0, 0, voltage, static_cast<uint8_t>(argument)});
            return true;
        }
        case 16:
            if (!ready_) return false;
            answer(argument == SECTOR ? 0 : PARAMETER_ERROR);
            return true;
        case 17:
            if (!ready_) return false;
            read(argument);
            return true;
        case 55:
            application_ = true;
            answer(idle_bit());
            return true;
        case 58: {
            const uint8_t capacity = ready_ && !options_.standard_capacity ? 0x40 : 0;
            answer(idle_bit(), {static_cast<uint8_t>((ready_ ? 0x80 : 0) | capacity), 0xFF, 0x80, 0});
            return true;
        }
        case 59:
            crc_on_ = argument & 1;
            answer(idle_bit());
            return true;
        default: return false;
    }
}

void SdCard::read(uint32_t argument) {
    if (options_.standard_capacity && argument % SECTOR) return answer(ADDRESS_ERROR);
    const uint64_t place = options_.standard_capacity ? argument : uint64_t{argument} * SECTOR;
    if (place + SECTOR > content_.size()) return answer(PARAMETER_ERROR);
    answer(0);
    reads_++;
    if (options_.silent_read) return;
    for (unsigned n = 1 + commands_ % 7; n; n--) pending_.push_back(0xFF);  // access time
    if (options_.error_token) return pending_.push_back(0x04);              // card ECC failed
    std::vector<uint8_t> data(content_.begin() + static_cast<long>(place), content_.begin() + static_cast<long>(place + SECTOR));
    const unsigned crc = remainder(data.data(), SECTOR, 0x1021, 16);
    if (options_.flip_always || options_.flip_read == reads_) data[reads_ % SECTOR] ^= 1 << reads_ % 8;
    pending_.push_back(0xFE);
    pending_.insert(pending_.end(), data.begin(), data.end());
    pending_.push_back(static_cast<uint8_t>(crc >> 8));
    pending_.push_back(static_cast<uint8_t>(crc));
}

}  // namespace hakone
