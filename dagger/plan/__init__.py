"""A template compiled once into flat, indexed tables that the core runs without walking trees."""

from dagger.plan.compile import compile as compile
from dagger.plan.plan import Channel as Channel
from dagger.plan.plan import Limits as Limits
from dagger.plan.plan import Plan as Plan
