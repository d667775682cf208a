// See options.h.
#include "options.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>

namespace hakone {

namespace {

uint64_t number(const std::string& name, const std::string& text) {
    char* end = nullptr;
    errno = 0;
    const uint64_t v = strtoull(text.c_str(), &end, 0);
    if (errno || !*text.c_str() || *end || text[0] == '-') throw BadInput(name + ": " + text + ": not a number");
    return v;
}

}  // namespace

std::vector<uint8_t> read_file(const std::string& path) {
    FILE* f = fopen(path.c_str(), "rb");
    if (!f) throw BadInput(path + ": " + strerror(errno));
    std::vector<uint8_t> bytes;
    uint8_t block[1 << 16];
    size_t n;
    while ((n = fread(block, 1, sizeof block, f)) > 0) bytes.insert(bytes.end(), block, block + n);
    fclose(f);
    return bytes;
}

Options parse_options(const std::vector<std::string>& arguments) {
    Options o;
    using Set = std::function<void(const std::string&)>;
    const auto text = [](std::string& to) -> Set { return [&to](const std::string& v) { to = v; }; };
    const auto value = [](const char* name, auto& to) -> Set {
        return [name, &to](const std::string& v) { to = static_cast<std::remove_reference_t<decltype(to)>>(number(name, v)); };
    };
    const std::map<std::string, Set> known = {
        {"--image",
         [&o](const std::string& v) {
             const size_t at = v.rfind('@');
             if (at == std::string::npos) throw BadInput("--image: " + v + ": FILE@ADDRESS is needed");
             o.images.emplace_back(v.substr(0, at), static_cast<uint32_t>(number("--image", v.substr(at + 1))));
         }},
        {"--tohost",
         [&o](const std::string& v) { o.tohost = static_cast<uint32_t>(number("--tohost", v)), o.has_tohost = true; }},
        {"--open-checks",
         [&o](const std::string& v) { o.open_checks = static_cast<uint32_t>(number("--open-checks", v)); }},
        {"--count-only", [&o](const std::string& v) { o.count_only = number("--count-only", v) != 0; }},
        {"--card", text(o.card.file)},
        {"--card-options", [&o](const std::string& v) { parse_card_options(v, o.card); }},
        {"--fuses", text(o.fuses)},
        {"--plaintexts", text(o.plaintexts)},
        {"--uart-in", text(o.uart_in)},
        {"--uart-out", text(o.uart_out)},
        {"--trace", text(o.trace)},
        {"--json", text(o.json)},
        {"--ram-out", text(o.ram_out)},
        {"--bus-out", text(o.bus_out)},
        {"--wave", text(o.wave)},
        {"--wave-from", value("--wave-from", o.wave_from)},
        {"--wave-cycles", value("--wave-cycles", o.wave_cycles)},
        {"--max-cycles", value("--max-cycles", o.max_cycles)},
        {"--hang-cycles", value("--hang-cycles", o.hang_cycles)},
        {"--period-ps", value("--period-ps", o.period_ps)},
        {"--stored-windows", value("--stored-windows", o.stored_windows)},
        {"--ram-base", value("--ram-base", o.memory.base)},
        {"--ram-bytes", value("--ram-bytes", o.memory.bytes)},
        {"--sdram-part", text(o.sdram_part)},
        {"--sdram-shift-ps", value("--sdram-shift-ps", o.sdram_shift_ps)},
        {"--latency", value("--latency", o.memory.latency)},
        {"--wait-seed", value("--wait-seed", o.memory.wait_seed)},
        {"--wait-percent", value("--wait-percent", o.memory.wait_percent)},
    };
    for (size_t i = 0; i < arguments.size(); i += 2) {
        const auto it = known.find(arguments[i]);
        if (it == known.end()) throw BadInput(arguments[i] + ": no such option");
        if (i + 1 == arguments.size()) throw BadInput(arguments[i] + ": a value is needed");
        it->second(arguments[i + 1]);
    }
    if (o.memory.latency < 1) throw BadInput("--latency: at least 1 cycle");
    if (o.memory.wait_percent > 90) throw BadInput("--wait-percent: at most 90");
    return o;
}

}  // namespace hakone
