"""The promotion gates CF001 to CF015: coded questions, each with a limit in the spec and one of three answers.

`answers`      evidence, findings, the verdict
`prediction`   on what the card predicts
`bands`        on its bands, on what it rests on, on what it asks of the team
`verdict`      all of them, in order
"""

from churnfit.evaluation.gates.answers import Answer, Gate, Verdict, Weeks
from churnfit.evaluation.gates.verdict import GATES, judge

__all__ = ["GATES", "Answer", "Gate", "Verdict", "Weeks", "judge"]
