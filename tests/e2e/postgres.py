"""A PostgreSQL server in a temporary folder: on a socket there and on a free port of loopback."""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def programs():
    """Where they are: Debian keeps them out of the path."""
    folders = glob.glob("/usr/lib/postgresql/*/bin")
    if folders:
        return max(folders, key=lambda name: int(name.split("/")[4]))
    found = shutil.which("postgres")
    if not found:
        raise SystemExit("PostgreSQL is not installed (Debian: postgresql)")
    return os.path.dirname(found)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


SPARE_BYTES = 2 << 30


def fast_folder():
    """In memory, where there is enough; None: where temporary files are."""
    try:
        free = os.statvfs("/dev/shm")
    except OSError:
        return None
    writable = os.access("/dev/shm", os.W_OK | os.X_OK)
    return "/dev/shm" if writable and free.f_bavail * free.f_frsize > SPARE_BYTES else None


class Server:
    """durable: with fsync, as in service; else in memory, if it can be. primary: another Server that this one is a standby of."""

    def __init__(self, durable=True, primary=None, settings=()):
        self.bin = programs()
        self.settings = list(settings)
        self.durable = durable
        self.folder = tempfile.mkdtemp(prefix="touyan-pg-", dir=None if durable else fast_folder())
        self.port = free_port()
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.data = os.path.join(self.folder, "data")
        self.process = None
        if primary is None:
            self.run("initdb", "-D", self.data, "-U", "touyan", "-A", "trust", "-E", "UTF8",
                     "--locale=C.UTF-8", "-N")
        else:
            self.run("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-X", "stream", "-N",
                     "-d", f"host={primary.folder} port={primary.port} user=touyan "
                     "application_name=standby")
        self.start()

    def command(self, *words):
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        return (as_user if os.getuid() == 0 else []) + [os.path.join(self.bin, words[0]), *words[1:]]

    def run(self, *words):
        done = subprocess.run(self.command(*words), cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]}: {done.stdout}{done.stderr}")

    def start(self):
        settings = [f"port={self.port}", f"unix_socket_directories={self.folder}",
                    "listen_addresses=127.0.0.1", "shared_buffers=32MB", "max_connections=60",
                    "max_wal_senders=4", *self.settings]
        if not self.durable:
            settings += ["fsync=off", "full_page_writes=off"]
        words = [word for setting in settings for word in ("-c", setting)]
        log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(self.command("postgres", "-D", self.data, *words),
                                        cwd=self.folder, stdout=log, stderr=log)
        log.close()
        self.wait()

    def wait(self, seconds=30):
        deadline = time.monotonic() + seconds
        ready = [os.path.join(self.bin, "pg_isready"), "-q", "-h", self.folder, "-p", str(self.port)]
        while subprocess.run(ready, cwd=self.folder).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.folder, "log"), encoding="utf-8") as log:
                    raise RuntimeError("PostgreSQL did not start: " + log.read()[-2000:])
            time.sleep(0.05)

    def sql(self, text, database="postgres"):
        done = subprocess.run([os.path.join(self.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1",
                               "-h", self.folder, "-p", str(self.port), "-U", "touyan", "-d",
                               database, "-c", text], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: as if the machine had gone."""
        if self.process is None:
            return
        with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as file:
            os.kill(int(file.readline()), how)
        self.process.wait(30)
        self.process = None

    def promote(self):
        self.run("pg_ctl", "-D", self.data, "promote", "-w")

    def close(self):
        try:
            self.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
