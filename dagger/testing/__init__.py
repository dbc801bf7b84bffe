"""The test kit: workflows in unit tests, without servers, waiting or marks."""

from dagger.testing.kit import TestEngine as TestEngine
from dagger.testing.kit import hang as hang
