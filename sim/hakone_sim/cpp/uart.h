// The other end of the UART: bytes out to a file or standard output, bytes in from a file or standard input.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

#include "ports.h"

namespace hakone {

class Uart {
public:
    /// `-` is standard output or input, empty is none. Throws BadInput when a file cannot be opened.
    Uart(const std::string& out, const std::string& in);
    ~Uart();
    Uart(const Uart&) = delete;
    Uart& operator=(const Uart&) = delete;

    /// One rising edge. True when the system sent the last byte of a line.
    bool step(const Outputs& out, Inputs& in) {
        if (in.uart_rx_valid && out.uart_rx_ready) pending_.pop_front(), in.uart_rx_valid = 0, received_++;
        if (!in.uart_rx_valid && !pending_.empty()) in.uart_rx_valid = 1, in.uart_rx_payload = pending_.front();
        return out.uart_tx_valid && in.uart_tx_ready ? sent(out.uart_tx_payload) : false;
    }
    /// Ask the host for input that has come in meanwhile; called every few thousand cycles.
    void poll();
    void send(const uint8_t* bytes, size_t n) { pending_.insert(pending_.end(), bytes, bytes + n); }
    void flush();
    /// True when nothing more can come in.
    bool exhausted() const { return in_fd_ < 0 && pending_.empty(); }
    const std::string& log() const { return log_; }
    uint64_t received() const { return received_; }

private:
    bool sent(uint8_t byte);
    FILE* out_ = nullptr;
    bool own_out_ = false;
    int in_fd_ = -1;
    std::deque<uint8_t> pending_;
    std::string log_;  // everything sent
    size_t flushed_ = 0;
    uint64_t received_ = 0;
};

}  // namespace hakone
