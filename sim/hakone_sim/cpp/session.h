// One process: a model, at most one run at a time, and cocotb when it was asked for. Without cocotb the command line
// is one run. With cocotb (HAKONE_COCOTB_VPI names its VPI library) tests start runs and wait for notices through the C
// functions below, called from Python in this same process; the clock loop stays here and never stops for an edge.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness.h"

namespace hakone {

class Session {
public:
    /// Begin a run. Throws BadInput.
    void start(const std::vector<std::string>& arguments);
    Harness* harness() { return harness_.get(); }
    bool running() const { return harness_ && !harness_->ended(); }
    /// True once after each start.
    bool take_start();

    /// Load cocotb's VPI library and let it begin. Throws BadInput.
    void load_cocotb(const char* library);
    bool cocotb() const { return cocotb_; }
    /// Serve everything that is due at time `now`; `settle` evaluates the model without a clock edge.
    void serve(uint64_t now, void (*settle)());
    /// Time of the next callback, UINT64_MAX when there is none.
    uint64_t next_deadline() const;
    bool stop_requested() const;
    void close();

private:
    void show_notices();
    std::unique_ptr<Harness> harness_;
    bool started_ = false, cocotb_ = false;
    uint64_t shown_ = 0;  // notices that the event word has told of
    uint32_t event_word_ = 0;
    void* event_handle_ = nullptr;
};

extern Session session;

}  // namespace hakone
