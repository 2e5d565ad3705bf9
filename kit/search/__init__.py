"""What tiers cost, and which exits, heads and thresholds suit a purpose."""

from kit.search.candidate import Candidate
from kit.search.exit_plan import ExitPlan
from kit.search.exit_planner import SearchGoal, plan_exits, reported
from kit.search.exit_policy import ExitPolicy
from kit.search.exit_search import ExitSearch
from kit.search.exit_table import ExitTable
from kit.search.no_candidate_error import NoCandidateError
from kit.search.pareto import pareto_front
from kit.search.profiling import Profile, profile
from kit.search.search_result import SearchResult
from kit.search.stage_costs import StageCosts

__all__ = [
    "Candidate",
    "ExitPlan",
    "ExitPolicy",
    "ExitSearch",
    "ExitTable",
    "NoCandidateError",
    "Profile",
    "SearchGoal",
    "SearchResult",
    "StageCosts",
    "pareto_front",
    "plan_exits",
    "profile",
    "reported",
]
