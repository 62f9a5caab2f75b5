"""Installing plugins: resolve, copy what will be replaced, install, look, and keep it or put everything back."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ..errors import InstallError, UsageError
from ..installed import Installed
from .distributions import Change, scan_afresh
from .environment import Say, exclusive, require_changeable, termination_as_interrupt, uninterrupted
from .held import held_libraries
from .observation import SeenPlugin, defects_of, names_of_dists, observe_plugins
from .options import InstallOptions
from .pip_process import require_pip
from .plan import Planned, Resolver
from .requested import Requested, read_requested
from .transaction import Transaction
from .verdict import Fault, check_fault, judge

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InstallOutcome:
    """What an install did.

    Attributes:
        changes: What it changed; of a dry run and of one that was rolled back, what it would have.
        plugins: The plugins that these distributions bring, as they were seen in a fresh process.
        faults: What speaks against keeping them.
        is_rolled_back: Whether everything was put back.
        is_dry_run: Whether nothing was to be changed.
    """

    changes: tuple[Change, ...] = ()
    plugins: tuple[SeenPlugin, ...] = ()
    faults: tuple[Fault, ...] = ()
    is_rolled_back: bool = False
    is_dry_run: bool = False
    is_refused: bool = False
    """Whether a fault was found before anything was changed."""

    @property
    def has_failed(self) -> bool:
        """Whether what was asked for is not there now."""
        return self.is_rolled_back or self.is_refused

    @property
    def reason(self) -> str:
        """All faults in one text."""
        return "; ".join(fault.message for fault in self.faults)

    @property
    def exit_code(self) -> int:
        """Of the command line: a defect of a plugin outweighs a machine that it does not fit."""
        return max((fault.exit_code for fault in self.faults), default=0) if self.has_failed else 0


def install(
    targets: Sequence[str],
    options: InstallOptions | None = None,
    *,
    editables: Sequence[str] = (),
    say: Say = logger.info,
    is_shown: bool = False,
) -> InstallOutcome:
    """Install plugins with pip into this environment, all or nothing.

    Args:
        targets: Wheels, folders, names with or without specifiers.
        options: How.
        editables: Folders to use where they lie.
        say: Takes remarks for the person.
        is_shown: Let pip write its messages and progress to standard error.

    Raises:
        UsageError: A target is nothing that can be installed.
        InstallError: pip or the environment failed; nothing was changed.
    """
    options = options or InstallOptions()
    require_changeable()
    with exclusive(say), termination_as_interrupt():
        installed = scan_afresh()
        require_pip(installed)
        before = observe_plugins()
        requested = read_requested(targets, editables, is_exact=options.is_exact, plugins=names_of_dists(before))
        return _Install(requested, options, installed, before, say, is_shown).run()


class _Install:
    def __init__(
        self, requested: Sequence[Requested], options: InstallOptions, installed: Installed,
        before: tuple[SeenPlugin, ...], say: Say, is_shown: bool,
    ) -> None:  # fmt: skip
        self._requested = requested
        self._options = options
        self._installed = installed
        self._before = before
        self._say = say
        names = {request.name for request in requested if request.name}
        self._resolver = Resolver(requested, options, held_libraries(installed, names), is_shown=is_shown)

    def run(self) -> InstallOutcome:
        for request in self._requested:
            if request.remark:
                self._say(request.remark)
        faults = tuple(_static_faults(self._requested))
        if faults and not self._options.force:
            return InstallOutcome(faults=faults, is_refused=True)
        planned = self._resolver.plan()
        for remark in (*_remarks(planned), *(self._resolver.held_back(planned) if self._options.upgrade else ())):
            self._say(remark)
        if self._options.is_dry_run:
            changes = tuple(Change(p.name, self._installed.version(p.name), p.version) for p in planned)
            return InstallOutcome(changes, faults=faults, is_dry_run=True)
        if not planned:
            return InstallOutcome(plugins=self._already_there())
        return self._carry_out(planned)

    def _carry_out(self, planned: Sequence[Planned]) -> InstallOutcome:
        with Transaction(self._installed, {item.name for item in planned}) as transaction:
            try:
                self._resolver.install(planned)
                outcome = self._look(transaction.changes(), {item.name for item in planned if item.is_requested})
            except BaseException:
                with uninterrupted():
                    transaction.rollback()
                self._say("everything is as it was before")
                raise
            if outcome.is_rolled_back:
                with uninterrupted():
                    transaction.rollback()
            return outcome

    def _look(self, changes: tuple[Change, ...], requested: Collection[str]) -> InstallOutcome:
        """Judge the new state; the outcome says whether it is to be rolled back."""
        names = {change.name for change in changes}
        try:
            after = observe_plugins()
        except InstallError as error:  # in spite of --force: nobody wants a host that does not start
            named = ", ".join(sorted(requested))
            fault = Fault("install-host-broken", f"with {named} installed, {error}", named)
            return InstallOutcome(changes, faults=(fault,), is_rolled_back=True)
        new = tuple(plugin for plugin in after if plugin.dist in names)
        faults = tuple(judge(self._before, after, changes, requested, scan_afresh()))
        if not faults or self._options.force:
            faults += tuple(self._check_faults(new))
        return InstallOutcome(changes, new, faults, is_rolled_back=bool(faults) and not self._options.force)

    def _check_faults(self, plugins: Sequence[SeenPlugin]) -> Iterator[Fault]:
        # One check looks at all plugins of a distribution. One that is switched off is not imported, here neither.
        for plugin in {plugin.dist: plugin for plugin in plugins if plugin.is_ready}.values():
            self._say(f"checking {plugin.name} ({plugin.dist} {plugin.version})")
            defects = defects_of(plugin, self._options.check_timeout_s)
            if defects:
                yield check_fault(plugin, defects)

    def _already_there(self) -> tuple[SeenPlugin, ...]:
        names = {request.name for request in self._requested}
        return tuple(plugin for plugin in self._before if plugin.dist in names)


def _static_faults(requested: Sequence[Requested]) -> Iterator[Fault]:
    """Look at wheels and folders before anything is downloaded or changed; runs none of their code."""
    from ..checking import check_target

    for request in requested:
        if request.path is None:
            continue
        try:
            report = check_target(str(request.path))
        except UsageError:  # an archive or an old kind of project, which pip can build and the check cannot read
            continue
        errors = [found for found in report.findings if found.severity == "error"]
        # One without entry points may be a library that another one needs.
        if report.plugins and errors:
            told = "; ".join(f"{found.message} ({found.code})" for found in errors[:3])
            more = f" (and {len(errors) - 3} more)" if len(errors) > 3 else ""
            yield Fault("install-check-failed", f"{request.path} is defective: {told}{more}", report.dist or "")


def _remarks(planned: Sequence[Planned]) -> Iterator[str]:
    torch = next((item for item in planned if item.name == "torch"), None)
    if torch is None:
        return
    companions = [item.name for item in planned if item.name.startswith("nvidia-") or item.name == "triton"]
    size = f" and {len(companions)} CUDA libraries, several GB together" if companions else ", up to several GB"
    choice = (
        ". To choose a smaller build (CPU only), stop and install torch first from the index that has it: "
        "pip install torch --index-url URL"
    )
    how = ", some 200 MB" if torch.version.endswith("+cpu") else size + choice
    yield f"this brings torch {torch.version}, which is not installed yet{how}"
