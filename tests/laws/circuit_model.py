"""A circuit as its semantics are worded: what happened in a list, and every question answered from that."""

from itertools import takewhile


class Passed:
    """A call that the model let pass."""

    def __init__(self, era, ends):
        self.era, self.ends = era, ends


class Model:
    """Slow, and written without a look at the automaton. A call ends "good", "bad", "slow" or "none"."""

    def __init__(self, rules, jitter):
        self.rules, self.jitter = rules, jitter
        self.trials = []
        self.era = -1
        self.until = None
        self.turn("closed")

    def turn(self, state):
        if state == "closed":
            self.reopened, self.rest = 0, self.rules.recovery_time
        self.state, self.ended, self.good = state, [], 0
        self.era += 1

    def open(self, now):
        if self.state == "half_open":
            self.reopened += 1
            most = max(self.rules.recovery_cap, self.rules.recovery_time)
            grown = min(self.rules.recovery_time * 2**self.reopened, most)
            self.rest = max(self.rules.recovery_time, grown * (1 - self.jitter / 2))
        self.until = now + self.rest
        self.turn("open")

    def start(self, now, allowed=0.0):
        """The call, None where it is refused."""
        if self.state == "open" and now >= self.until:
            self.turn("half_open")
        if self.state == "closed":
            return Passed(self.era, None)
        self.trials = [trial for trial in self.trials if trial.ends >= now]
        if self.state != "half_open" or len(self.trials) >= self.rules.half_open_permits:
            return None
        self.trials.append(Passed(self.era, now + max(self.rest, allowed)))
        return self.trials[-1]

    def end(self, passed, now, outcome):
        self.trials = [trial for trial in self.trials if trial is not passed]
        if outcome == "none" or passed.era != self.era:
            return
        if self.state == "closed":
            self.ended.append((now, outcome))
            if self.too_bad(now):
                self.open(now)
        elif outcome == "good":
            self.good += 1
            if self.good == self.rules.success_threshold:
                self.turn("closed")
        else:
            self.open(now)

    def too_bad(self, now):
        rules, recent = self.rules, self.recent(now)
        row = len(list(takewhile(lambda end: end[1] == "bad", reversed(self.ended))))
        if rules.failure_threshold is not None and row >= rules.failure_threshold:
            return True
        if len(recent) < rules.min_calls:
            return False
        failing = rules.failure_ratio is not None and recent.count("bad") / len(recent) >= rules.failure_ratio
        return failing or recent.count("slow") / len(recent) >= rules.slow_ratio

    def recent(self, now):
        """What ended in the window, in groups of a tenth of it that are forgotten as one."""
        groups = []
        for time, outcome in self.ended:
            if not groups or time - groups[-1][0] >= self.rules.window_seconds / 10:
                groups.append((time, []))
            groups[-1][1].append(outcome)
        return [end for start, ends in groups if now - start < self.rules.window_seconds for end in ends]
