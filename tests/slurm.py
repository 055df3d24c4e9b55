"""A cluster for tests: a real SLURM of one node on the loopback, without systemd, with all its files in one folder.

Debian: apt install slurm-wlm. Accounting is off (no slurmdbd), as on small clusters, so that Snakemake has only squeue
to ask. The node's memory and GPUs are claimed, not measured: rules may ask for what a real cluster has.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")

CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
# Listen on the loopback only.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
# No cgroups: they are often read-only in a container.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
# A job that outgrows its memory is killed, looked at every second.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
# squeue shows a finished job's state for so many seconds.
MinJobAge=600
KillWait=5
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE
"""

# Snakemake's job step drops SLURM_CONF before it calls srun, which then looks only in /etc/slurm.
SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""


def missing() -> str:
    """What keeps a test from starting SLURM here; empty if nothing does."""
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return "" if os.geteuid() == 0 else "slurmd needs root"


@contextmanager
def slurm(folder: Path, cpus: int = 2, memory: int = 64000, gpus: int = 1) -> Iterator[dict[str, str]]:
    """Run SLURM in `folder` (`memory` in MB); yields the environment in which sbatch, squeue and Snakemake find it."""
    folder = Path(folder).resolve()
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o700)
    host = socket.gethostname().split(".")[0]
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    conf = CONF.format(host=host, ports=_ports(2), folder=folder, cpus=cpus, memory=memory, gpus=gpus)
    (folder / "slurm.conf").write_text(conf)
    for one in range(gpus):  # for SLURM any file will do
        (folder / f"gpu{one}").touch()
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-{gpus - 1}]\n" if gpus else "")
    (folder / "bin/srun").write_text(SRUN.format(folder=folder, srun=shutil.which("srun")))
    (folder / "bin/srun").chmod(0o755)

    # A test may itself run in a SLURM job, whose variables would reach the jobs of this one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH_", "SRUN_"))}
    environment |= {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{environment['PATH']}"}

    # --force: munged wants its socket open to all users, and this one is for root only.
    files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
    with ExitStack() as stack:
        stack.enter_context(
            _daemon(folder, environment, "munged", "-F", "--force", f"--socket={folder}/munge.socket", *files)
        )
        _wait(folder, "munged", (folder / "munge.socket").exists)
        stack.enter_context(_daemon(folder, environment, "slurmctld", "-D", "-i"))
        stack.enter_context(_daemon(folder, environment, "slurmd", "-D"))
        _wait(folder, "the node", lambda: _ask(environment, "sinfo", "-h", "-o", "%T") == "idle")
        try:
            yield environment
        finally:
            # slurmd leaves its jobs running when it is stopped.
            _ask(environment, "scancel", "--user=root")
            _wait(folder, "the jobs' end", lambda: not _ask(environment, "squeue", "-h"))


def _ports(number: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def _daemon(folder: Path, environment: dict[str, str], *command: str) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("w") as out:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )  # Ctrl-C, too, is to end the jobs first
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ask(environment: dict[str, str], *command: str) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout.strip()


def _wait(folder: Path, what: str, ready, seconds: float = 60) -> None:
    """Until `ready()`; else an error with what the daemons said last."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            said = "\n".join(f"{path.name}: {path.read_text()[-1000:]}" for path in sorted(folder.glob("*.out")))
            raise RuntimeError(f"SLURM: {what} not there after {seconds} s\n{said}")
        time.sleep(0.2)
