#!/usr/bin/env python3
"""The command against the real HTTP server: what it prints, and every exit code.

cli.py TOUYAN CONSOLE_SERVER"""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import unittest

TOUYAN, SERVER = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
WIDE = re.compile(r"[\u1100-\u115f\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]")


class Server:
    def __init__(self, path, group="", readers=""):
        self.path = path
        self.process = subprocess.Popen([SERVER, path, group, readers], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def stop(self):
        self.process.terminate()
        self.process.stdout.close()
        return self.process.wait(timeout=20)

    def connect(self):
        """Silent until it sends; the caller reads it to its end."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(25)
        try:
            client.connect(self.path)
        except BlockingIOError:
            client.close()
            raise
        return client

    def raw(self, request):
        client = self.connect()
        try:
            client.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it refuses before it has read all
        return read_all(client)


def read_all(client):
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    client.close()
    return b"".join(parts).decode()


class Cli(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        self.path = os.path.join(self.folder.name, "touyan.sock")
        self.server = Server(self.path)
        self.stopped = False

    def tearDown(self):
        if not self.stopped:
            self.assertEqual(self.server.stop(), 0)
        self.folder.cleanup()

    def run_touyan(self, *words, want=0, binary=TOUYAN, env=None, **more):
        done = subprocess.run([binary, *words], capture_output=True, text=True, timeout=40,
                              env={"TOUYAN_SOCKET": self.path, **(env or {})}, **more)
        self.assertEqual(done.returncode, want, f"{words}: {done.stdout}{done.stderr}")
        return done

    def out(self, *words, **more):
        return self.run_touyan(*words, **more).stdout

    def test_status_has_problems_last_with_next_step(self):
        text = self.out("status")
        self.assertIn("城东派出所 S0117", text)
        self.assertIn("应到 14，到岗 12，已确认 1，缺 1", text)
        self.assertIn("待发 3，送达 118", text)
        self.assertIn("客流    实验小学 拥堵，约 180 人\n", text)
        self.assertIn("        二中 高峰，约 0 人（人工）\n", text)
        self.assertIn("设备    12 台，离线 1 台，待修 3 项", text)
        lines = text.splitlines()
        self.assertIn("县平台链路：HTTP 503", lines[-2])
        self.assertIn("下一步：", lines[-1])
        self.assertNotIn("\033", text)
        english = self.out("status", "--lang", "en")
        self.assertIn("14 assigned, 12 on post", english)
        self.assertIn("next:", english.splitlines()[-1])

    def test_check_is_a_monitoring_plugin(self):
        text = self.out("check", want=1)
        self.assertTrue(text.startswith("TOUYAN 警告 - 1/3"), text)
        self.assertIn("警告 县平台链路", text.splitlines()[-2])
        answer = json.loads(self.out("check", "--json", want=1))
        self.assertEqual(len(answer["findings"]), 3)

    def test_json_everywhere(self):
        for words in (["status"], ["sms", "list"], ["sync", "status"], ["device", "list"],
                      ["version"]):
            self.assertEqual(json.loads(self.out(*words, "--json"))["v"], 1)

    def test_messages(self):
        sent = json.loads(self.out("sms", "send", "13800000001", "请到东门", "--json"))
        self.assertIn("已收下", self.out("sms", "simulate", "13800000002", "放学S17\n第二行"))
        text = self.out("sms", "list")
        self.assertIn("***001", text)
        self.assertNotIn("13800000001", text)
        self.assertIn("放学S17 第二行", text)
        rows = text.splitlines()
        self.assertEqual(len(rows), 2)
        columns = [len(WIDE.sub("xx", row[:row.index("***")])) for row in rows]
        self.assertEqual(columns[0], columns[1])
        ids = [len(WIDE.sub("xx", row[:re.search(r"[0-9a-f]{8}-", row).start()])) for row in rows]
        self.assertEqual(ids[0], ids[1])
        self.assertIn("请到东门", self.out("sms", "show", sent["id"]))
        self.assertIn("放学", self.out("sms", "list", "in", "--limit", "5"))
        self.assertEqual(self.out("sms", "list", "out", "--state", "failed"), "")
        self.assertEqual(len(json.loads(self.out("sms", "list", "--json"))["sms"]), 2)

    def test_sync_and_devices(self):
        self.assertIn("断开，本站照常工作", self.out("sync", "status"))
        self.assertIn("sync: HTTP 503", self.out("sync", "status").splitlines()[-1])
        self.assertTrue(self.out("sync", "status").startswith("县里的数据截至"))
        self.assertIn("touyan sync status", self.out("sync", "now"))
        for what in ("pending", "conflicts", "quarantine"):
            self.assertEqual(self.out("sync", what).strip(), "没有")
            self.assertEqual(json.loads(self.out("sync", what, "--json"))[what], [])
        self.assertIn("编号", self.out("device", "list"))

    def test_device_list_says_what_is_wrong(self):
        row = self.out("device", "list").splitlines()[1]
        self.assertTrue(row.endswith("FT1401  缺记录 3; 超额 5; 时钟偏 95 s; 电量低 12%; 1.4.2"), row)
        row = self.out("device", "list", "--lang", "en").splitlines()[1]
        self.assertIn("missing 3; over quota 5; clock off 95 s; BATTERY 12%; 1.4.2", row)

    def test_enrolment(self):
        text = self.out("enrol")
        self.assertIn("已登记", text)
        self.assertIn("证书有效至 2027-09-08", text)
        self.assertIn("已登记", self.out("enrol", "K7QX-2M4C-9TRA-0DVH"))
        self.assertEqual(json.loads(self.out("enrol", "again", "--json"))["serial"], "PF123")
        self.run_touyan("enrol", "wrong", want=64)
        self.assertIn("已登记", self.out("sync", "status"))

    def test_what_is_not_stored_is_later(self):
        done = self.run_touyan("sms", "send", "13800000013", "x", want=75)
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.out("sms", "list"), "")

    def test_exit_codes(self):
        self.run_touyan(want=64)
        self.run_touyan("nonsense", want=64)
        self.run_touyan("sms", want=64)
        self.run_touyan("sms", "send", "138", want=64)
        self.run_touyan("sms", "send", "abc", "x", want=64)
        self.run_touyan("sms", "list", "--limit", "0", want=64)
        self.run_touyan("sms", "list", "--state", "a&b", want=64)
        self.run_touyan("sms", "show", "../status", want=64)
        self.run_touyan("--colour", want=64)
        self.run_touyan("sms", "show", "none", want=1)
        self.run_touyan("status", "--socket", "/" + "x" * 200, want=78)
        self.run_touyan("status", "--socket", "/nonexistent/sock", want=69)
        self.run_touyan("check", "--socket", "/nonexistent/sock", want=2)
        help_text = self.out("help")
        self.assertLessEqual(len(help_text.splitlines()), 24)
        self.assertEqual(help_text.count("例"), 1)
        self.assertEqual(self.out("--help", "--lang", "en").count("Examples"), 1)
        for noun in ("sms", "desk", "roster", "ledger", "sync", "device"):
            lines = self.out("help", noun).splitlines()
            self.assertLessEqual(len(lines), 24)
            self.assertTrue(all(f"touyan {noun} " in line for line in lines), lines)

    @unittest.skipUnless(os.getuid() == 0, "only root can become somebody else")
    def test_strangers_are_refused(self):
        copy = os.path.join(self.folder.name, "touyan")
        with open(TOUYAN, "rb") as source, open(copy, "wb") as target:
            target.write(source.read())
        os.chmod(copy, 0o755)
        other = {"user": 65534, "group": 65534, "extra_groups": [], "binary": copy,
                 "cwd": self.folder.name}
        self.run_touyan("status", want=77, **other)  # the mode of the socket
        os.chmod(self.path, 0o666)
        done = self.run_touyan("status", want=77, **other)  # the peer's credentials
        self.assertEqual(done.stdout, "")
        self.server.stop()
        self.server = Server(self.path, "daemon")
        self.run_touyan("status", want=77, **other)
        self.run_touyan("status", want=0, **dict(other, extra_groups=[1]))
        self.server.stop()
        self.server = Server(self.path, "daemon", "bin")
        self.run_touyan("status", want=77, **other)
        reader = dict(other, extra_groups=[2])
        self.run_touyan("status", want=0, **reader)  # who may look ...
        self.run_touyan("sms", "list", want=77, **reader)  # reads no messages
        self.run_touyan("sync", "now", want=77, **reader)  # and does nothing

    def test_limits(self):
        big = (b"POST /v1/sms/send HTTP/1.1\r\nHost: x\r\nContent-Length: 2200000\r\n\r\n"
               + b"x" * 2200000)
        self.assertIn(" 413 ", self.server.raw(big).splitlines()[0])
        self.assertIn(" 404 ", self.server.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        self.out("status", "--json")

    def test_slow_clients_are_cut(self):
        slow = [self.server.connect() for _ in range(20)]
        started = time.monotonic()
        for client in slow[:10]:
            client.sendall(b"GET /v1/status HTTP/1.1\r\n")
        while time.monotonic() - started < 14:
            for client in slow[:10]:
                client.sendall(b"A")
            before = time.monotonic()
            self.out("status", "--json")
            self.assertLess(time.monotonic() - before, 2)
            time.sleep(1)
        for client in slow:
            read_all(client)
        self.assertLess(time.monotonic() - started, 20)

    def test_many_silent_clients_keep_nobody_out(self):
        silent = []
        for _ in range(500):
            try:
                silent.append(self.server.connect())
            except BlockingIOError:  # the backlog is full for a moment
                time.sleep(0.01)
        before = time.monotonic()
        self.out("status", "--json")
        self.assertLess(time.monotonic() - before, 2)
        for client in silent:
            client.close()

    def test_stop(self):
        idle = self.server.connect()
        self.assertEqual(self.server.stop(), 0)
        self.stopped = True
        self.assertEqual(read_all(idle), "")
        self.assertFalse(os.path.exists(self.path))
        self.run_touyan("status", want=69)


unittest.main(argv=sys.argv[:1] + sys.argv[3:])
