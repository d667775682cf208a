// See uart.h.
#include "uart.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "support.h"

namespace hakone {

Uart::Uart(const std::string& out, const std::string& in) {
    if (out == "-") out_ = stdout;
    else if (!out.empty()) {
        out_ = fopen(out.c_str(), "wb");
        own_out_ = true;
        if (!out_) throw BadInput(out + ": " + strerror(errno));
    }
    if (in == "-") in_fd_ = dup(0);
    else if (!in.empty()) in_fd_ = open(in.c_str(), O_RDONLY | O_CLOEXEC);
    if (in_fd_ < 0 && !in.empty()) throw BadInput(in + ": " + strerror(errno));
    poll();
}

Uart::~Uart() {
    flush();
    if (own_out_ && out_) fclose(out_);
    if (in_fd_ >= 0) close(in_fd_);
}

void Uart::poll() {
    if (in_fd_ < 0 || pending_.size() > 65536) return;
    pollfd p{in_fd_, POLLIN, 0};
    while (::poll(&p, 1, 0) > 0) {
        uint8_t block[4096];
        const ssize_t n = read(in_fd_, block, sizeof block);
        if (n > 0) send(block, static_cast<size_t>(n));
        if (n <= 0) {
            close(in_fd_);
            in_fd_ = -1;
            return;
        }
        if (pending_.size() > 65536) return;
    }
}

bool Uart::sent(uint8_t byte) {
    log_.push_back(static_cast<char>(byte));
    if (byte == '\n') flush();
    return byte == '\n';
}

void Uart::flush() {
    if (out_ && flushed_ < log_.size()) {
        fwrite(log_.data() + flushed_, 1, log_.size() - flushed_, out_);
        fflush(out_);
    }
    flushed_ = log_.size();
}

}  // namespace hakone
