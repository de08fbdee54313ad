"""A SLURM of one node on the loopback interface, for as long as a `with` block lasts.

Needs root: the daemons run as root, and Snakemake's executor removes SLURM_CONF from its environment, so the
configuration has to be found as /etc/slurm/slurm.conf. A configuration that is there already is left alone.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
HOSTS = Path("/etc/hosts")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo", "srun", "scancel")
PACKAGES = "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge"
HOST = socket.gethostname().split(".")[0]
"""The short name, by which SLURM knows its node."""
PARENT_DEATH_SIGNAL = 1
CONFIG = """
ClusterName=polyhead
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MailProg=/bin/true
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
MinJobAge=300
NodeName={host} NodeAddr=127.0.0.1 Sockets=1 CoresPerSocket={cores} ThreadsPerCore=1 RealMemory={memory}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def obstacle() -> str | None:
    """Say why no SLURM can be started here, and what to do about it; `None` when one can."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"{', '.join(missing)} not found; to run this test: {PACKAGES}"
    if SYSTEM_CONFIG.exists() or SYSTEM_CONFIG.is_symlink():
        return f"{SYSTEM_CONFIG} exists: a SLURM is set up here, and this test leaves it alone"
    return "starting a SLURM of one node needs root" if os.geteuid() else None


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Start the three daemons, and stop them and all their jobs at the end, whatever happens."""
    with ExitStack() as stack:
        stack.enter_context(resolvable(HOST))
        config = write_config(folder)
        SYSTEM_CONFIG.parent.mkdir(parents=True, exist_ok=True)
        SYSTEM_CONFIG.symlink_to(config)
        stack.callback(SYSTEM_CONFIG.unlink)
        for command in daemons(folder, config):
            stack.enter_context(running(command, folder))
        wait_for(
            lambda: "idle" in asked("sinfo", "--noheader", "--format=%T"), f"no node came up; see {folder}"
        )
        stack.callback(cancel_jobs)
        yield


def write_config(folder: Path) -> Path:
    """Write slurm.conf and a key for munge, with two free ports and this machine's cores and memory."""
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge/key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 9 // 10 // 2**20
    config = folder / "slurm.conf"
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))  # a port that nothing listens on
        ports = {"controller_port": one.getsockname()[1], "node_port": other.getsockname()[1]}
    cores = len(os.sched_getaffinity(0))
    config.write_text(CONFIG.format(host=HOST, folder=folder, cores=cores, memory=memory, **ports))
    return config


def daemons(folder: Path, config: Path) -> Iterator[list[str]]:
    """Yield the daemons' commands, in the order in which they start; each stays in the foreground."""
    munge = folder / "munge"
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{option}={munge / name}" for option, name in files.items()]
    yield ["munged", "--foreground", "--force", "--origin=127.0.0.1", *options]
    wait_for(lambda: (munge / "socket").exists(), "munged has no socket")
    yield ["slurmctld", "-D", "-f", str(config)]
    yield ["slurmd", "-D", "-f", str(config)]


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    """Run a daemon; stop it at the end, and when this process dies."""
    with (folder / f"{command[0]}.out").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM)


@contextmanager
def resolvable(host: str) -> Iterator[None]:
    """Let the host name resolve: as it does, or by a line in /etc/hosts for a while."""
    try:
        socket.gethostbyname(host)
        before = None
    except OSError:
        before = HOSTS.read_text()
        HOSTS.write_text(f"{before}\n127.0.0.1 {host}\n")
    try:
        yield
    finally:
        if before is not None:
            HOSTS.write_text(before)


def cancel_jobs() -> None:
    """Cancel every job and wait until none runs: a job's processes are not the daemons' children."""
    asked("scancel", "--user=root")
    wait_for(lambda: not asked("squeue", "--noheader", "--states=R,CG,PD").strip(), "jobs do not end")


def asked(*command: str) -> str:
    """Return what a SLURM command prints."""
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout


def wait_for(condition, complaint: str, seconds: float = 20) -> None:
    """Wait until a condition holds; raise `RuntimeError` when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(complaint)
        time.sleep(0.1)
