// See trace_file.h.
#include "trace_file.h"

#include <cerrno>
#include <cstring>

#include "support.h"

namespace hakone {

TraceFile::TraceFile(const std::string& path) : file_(fopen(path.c_str(), "wb")) {
    if (!file_) throw BadInput(path + ": " + strerror(errno));
    const char header[32] = "HKNTRACE\1\0\0\0\40\0\0";  // magic, version 1, record bytes 32, zero
    fwrite(header, 1, sizeof header, file_);
    buffer_.reserve(BUFFER);
}

TraceFile::~TraceFile() {
    flush();
    fclose(file_);
}

void TraceFile::flush() {
    fwrite(buffer_.data(), sizeof(TraceRecord), buffer_.size(), file_);
    fflush(file_);
    buffer_.clear();
}

}  // namespace hakone
