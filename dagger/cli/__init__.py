"""The command `dagger`: workers, messages, instances and backups from a shell."""

from dagger.cli.commands import main as main
