#!/usr/bin/env python3
"""Makes the corpus of bench/understand: tune.tsv, which the recogniser's rules may be mended on, and
test.tsv, which they may not. The same sources give the same files, byte for byte.

Sources: the commands below, written down from the grammar and not from the recogniser's own table;
meant.txt and said.txt, commands and sentences that are none, by hand; of Debian, unicode-data
(Unihan: traditional variants, readings and how common they are) and python3-jieba (a dictionary of
words with their frequencies). Templates and what is by hand are divided between the halves before
anything is made of them, so that no pattern of one is in the other; forms and typos are divided one
by one.

A line: class, context, what is to be understood, text. Contexts are in bench/understand.c; "any": in
none of them may it be taken for a command. A class of "no_..." is no command.

make.py           writes both
make.py --check   fails when the files here are others
"""

import bz2
import pathlib
import random
import re
import sys
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
UNICODE = pathlib.Path("/usr/share/unicode")
DICTIONARY = pathlib.Path("/usr/lib/python3/dist-packages/jieba/dict.txt")

SCHOOLS = ("S17", "S03", "17", "第二实验小学", "六户中学", "城东幼儿园", "突泉一中")
NAMES = ("王建国", "李娜", "阿拉坦其木格", "张伟")
HAZARDS = ("东门井盖松了", "北门路灯不亮", "校门口有违停", "栏杆断了一根", "斑马线看不清")
REASONS = ("发烧了", "孩子生病", "临时加班", "家里有急事", "车坏了", "出差")
CODES = ("4821", "0136", "7305")

# context, command, words; {} stands for what the list behind gives
COMMANDS = (
    ("asked", "confirm", ("1", "确认", "能来", "能去", "会来", "没问题", "收到", "好的", "可以", "行",
                          "我来", "Y", "YES", "OK"), ()),
    ("asked", "confirm", ("1 {}",), CODES),
    ("asked", "decline", ("2", "来不了", "去不了", "不能来", "请假", "有事", "没空", "N", "NO"), ()),
    ("asked", "decline", ("2 {}", "来不了，{}", "请假 {}", "没空，{}"), REASONS),
    ("asked", "swap", ("3", "换班", "调班", "SWAP"), ()),
    ("offered", "take", ("接{}", "TAKE {}"), CODES),
    ("offered", "take", ("我来", "接"), ()),
    ("free", "check_in", ("到岗", "到了", "已到", "到", "IN", "DG"), ()),
    ("free", "stand_in", ("替{}", "FOR {}"), NAMES),
    ("free", "check_out", ("离岗", "完成", "OUT", "LG"), ()),
    ("free", "hazard", ("隐患{}", "上报{}", "YH {}"), HAZARDS),
    ("free", "my_duties", ("我的班", "查班", "排班", "MY"), ()),
    ("free", "appeal", ("申诉", "APPEAL"), ()),
    ("activity", "attend", ("签到",), ()),
    ("parent", "query", ("查询{}", "CX {}"), SCHOOLS),
    ("parent", "dismissal", ("放学{}", "FX {}"), SCHOOLS),
    ("parent", "dismissal", ("几点放学",), ()),
    ("parent", "subscribe", ("订阅{}", "DY {}"), SCHOOLS),
    ("consent", "confirm", ("1",), ()),
    ("parent", "feedback", ("意见{}", "FB {}"), ("门口太堵", "谢谢护学岗", "希望早点开门")),
    ("parent", "stop", ("退订", "TD", "T", "R", "STOP"), ()),
    ("parent", "help", ("帮助", "怎么用", "HELP"), ()),
    ("officer", "panic", ("报警", "紧急", "求助", "救命", "SOS"), ()),
    ("post", "call_leader", ("报警", "紧急", "求助", "救命", "SOS"), ()),
    ("parent", "call_110", ("报警", "紧急", "求助", "救命", "SOS"), ()),
    ("alarm", "all_clear", ("解除{}", "CLEAR {}"), CODES),
    ("alarm", "go", ("出警{}", "GO {}"), CODES),
    ("alarm", "go", ("出警", "GO"), ()),
    ("alarm", "handle", ("处理", "ACK"), ()),
    ("alarm", "send_someone", ("派{}", "AUTO {}"), CODES),
    ("alarm", "read", ("收到", "好的"), ()),
    ("free", "none", ("收到", "好的", "OK"), ()),
    ("leader", "ledger", ("台账{}", "TZ {}"), SCHOOLS),
    ("leader", "close_issue", ("销号{}",), CODES),
    ("leader", "reopen_issue", ("退回{}",), CODES),
    ("leader", "who", ("谁在岗{}", "WHO {}"), SCHOOLS),
    ("leader", "gaps", ("缺", "GAPS"), ()),
    ("leader", "visit", ("驻岗{}", "VISIT {}"), SCHOOLS),
    ("leader", "visit_end", ("撤岗",), ()),
    ("leader", "flow", ("流量{}", "FLOW {}"), ("S17堵", "第二实验小学平", "S03高")),
    ("leader", "start_plan", ("启动疏导{}",), CODES),
)

# Words that a typo of the same sound may stand for: of two characters and more, no ordinary word
# sounds the same, and they end, stop, raise or move nothing. (Not here: 确认 like 缺人, 可以 like
# 可疑, 会来 like 回来, 能去 and 去不了 like 取, 有事 like 有时, 我到了 like 倒, 查班 like 查办, 帮助
# like 帮主, 收到 like 受到, 处理 like 出力, 申诉 like 神速, 排班 like 拍板.)
SOUND = (
    ("asked", "confirm", "能来", "neng lai"), ("asked", "confirm", "我能来", "wo neng lai"),
    ("asked", "confirm", "没问题", "mei wen ti"), ("asked", "decline", "来不了", "lai bu liao"),
    ("asked", "decline", "我来不了", "wo lai bu liao"), ("asked", "decline", "不能来", "bu neng lai"),
    ("asked", "decline", "请假", "qing jia"), ("asked", "decline", "没空", "mei kong"),
    ("asked", "swap", "换班", "huan ban"), ("asked", "swap", "调班", "diao ban"),
    ("free", "check_in", "到岗", "dao gang"), ("free", "check_in", "到岗了", "dao gang le"),
    ("free", "check_in", "我到岗了", "wo dao gang le"), ("free", "check_out", "离岗", "li gang"),
    ("free", "check_out", "完成", "wan cheng"), ("free", "my_duties", "我的班", "wo de ban"),
    ("parent", "query", "查询+", "cha xun"), ("parent", "dismissal", "放学+", "fang xue"),
    ("parent", "subscribe", "订阅+", "ding yue"), ("parent", "help", "怎么用", "zen me yong"),
    ("leader", "who", "谁在岗+", "shei zai gang"), ("leader", "visit", "驻岗+", "zhu gang"),
    ("leader", "visit_end", "撤岗", "che gang"), ("leader", "ledger", "台账+", "tai zhang"),
)

# Spelt out, for want of an input method. (Not here: what is spelt like an ordinary word or like
# another command, and what ends, stops or raises something.)
PINYIN = (
    ("asked", "confirm", "nenglai"), ("asked", "confirm", "meiwenti"), ("asked", "decline", "laibuliao"),
    ("asked", "decline", "bunenglai"), ("asked", "decline", "qingjia"), ("asked", "decline", "meikong"),
    ("asked", "decline", "qubuliao"), ("asked", "swap", "huanban"), ("free", "check_in", "daogang"),
    ("free", "my_duties", "wodeban"), ("free", "my_duties", "chaban"), ("free", "my_duties", "paiban"),
    ("parent", "help", "bangzhu"), ("parent", "help", "zenmeyong"), ("asked", "confirm", "shoudao"),
    ("asked", "confirm", "haode"), ("alarm", "handle", "chuli"), ("free", "appeal", "shensu"),
)

NO_COMMANDS = 1000  # in each half

GAPS = (" ", "  ", "\u3000", "\u200b")
MARKS = ("。", "！", "!", ".", "~", "～", "…", "，", "、", "！！", "。。。")
SIGNATURES = ("【李娜】", "【王建国】", "【突泉护学】", "【家长】")

# No commands. {who} and so on are filled in; the two halves share neither templates nor fillings.
SAID = {
    "tune": {
        "slots": {
            "who": ("李老师", "王叔", "孩子他爸", "张警官", "我妈"),
            "time": ("明天", "今天下午", "周三早上", "七点半", "下周一"),
            "place": ("东门", "二小", "校门口", "岗亭"),
            "thing": ("红马甲", "对讲机", "名单", "钥匙"),
        },
        "templates": (
            "{time}能来吗", "{who}说{time}能来", "{who}{time}到岗了吗", "{time}谁到岗", "{who}还没到岗",
            "{who}到了没有", "{time}是不是要请假", "{who}{time}想请假行不行", "请假要找{who}吗",
            "{time}可以换班吗", "换班的事问{who}", "{who}跟谁换班", "能不能{time}再来", "收到但是{time}来不了",
            "好的不过{time}我可能晚点", "可以是可以，{time}谁接替", "确认一下{time}几点", "{time}没问题吧",
            "{who}没空的话怎么办", "{time}有事找{who}", "有事打{who}电话", "{thing}到了吗", "{thing}还没到",
            "{thing}放在{place}了", "{place}的{thing}不见了", "{who}报警了没有", "{place}要不要报警",
            "别报警，{who}在处理", "解除的时候告诉{who}", "{who}说可以解除了", "{place}解除封闭了吗",
            "退订的是{who}不是我", "怎样才能退订{thing}", "{who}的短信退订不了", "离岗以后{thing}交给谁",
            "{who}离岗早了十分钟", "完成以后找{who}拿{thing}", "出警的人到{place}了没", "{who}已经出警了吗",
            "派{who}过去行不行", "{place}派几个人", "接{who}的班", "{time}接孩子的人多吗", "替我跟{who}说一声",
            "我想替{who}问一下", "缺不缺人", "{time}缺人吗", "{place}缺{thing}", "启动仪式在{place}",
            "{time}启动会几点", "流量卡在{who}那", "{who}查询不到{thing}", "意见箱在{place}哪里",
            "{who}在{place}等你", "{time}下雨还站岗吗", "{place}今天堵得厉害", "{thing}归谁管",
            "不是{who}，是我弄错了", "{who}今天没有来", "{time}的班是{who}的还是我的", "1班的{who}在吗",
            "2号{time}开会", "3点在{place}集合", "{who}的号码变了", "能来的都来了", "来不了的有几个",
            "我没有说来不了", "没说不能来", "并不是请假", "到岗的时间改了没", "{time}行的话就去",
            "谁说我能来的", "{who}好了吗", "不行", "不好", "不可以", "还不行", "没收到{who}的消息", "没到",
        ),
    },
    "test": {
        "slots": {
            "who": ("班主任", "刘姐", "我爱人", "赵队长", "邻居"),
            "time": ("后天", "今早", "周五放学后", "六点四十", "月底"),
            "place": ("北门", "实验小学", "十字路口", "值班室"),
            "thing": ("袖标", "反光背心", "停车证", "登记表"),
        },
        "templates": (
            "请问{time}还能来不", "{who}讲{time}会来的", "{who}怎么还不到岗", "{time}到岗的是哪位",
            "我看{who}已到{place}了呀", "到岗前要领{thing}吗", "{who}要请几天假", "{time}请假的人太多",
            "给{who}请个假可以不", "没空看{thing}", "{who}没空我也没空怎么办", "换班以后算谁的",
            "{who}不想换班", "调班通知在哪里看", "收到{thing}了没有", "没有收到{thing}", "{who}收到了吗",
            "好的话{time}再联系", "不好意思刚看到", "可以停在{place}吗", "行人走{place}还是走天桥",
            "确认收货在哪里点", "{who}确认过了吗", "没问题的话我去拿{thing}", "{time}有事商量", "我有事要问{who}",
            "来不来得了要看{who}", "也许来不了也许能来", "能来不能来{time}再说", "报警电话是多少", "{who}说不用报警",
            "{place}有人报警吗", "警报解除了吗", "限行解除没", "短信能退订吗", "{who}问怎么退订",
            "我没有要退订", "{who}离岗了没有", "几点可以离岗", "任务完成了吗", "{thing}完成一半了",
            "{who}出警去了", "谁派的{who}", "派出所电话多少", "派{thing}的人来了吗", "接送车停{place}",
            "{who}来接我了吗", "替{who}道个谢", "替换的{thing}在哪", "缺席的是{who}", "少了谁", "启动车子要很久",
            "手机流量用完了", "查询密码忘了", "我没意见", "有意见找{who}提", "上报截止到{time}", "上报了吗",
            "这算隐患吗", "{place}没有隐患", "放学后{who}去接", "放学别走{place}", "孩子放学没回来吗",
            "订阅号叫什么", "{time}降温多穿点", "{place}修路了请绕行", "{who}辛苦了", "{thing}多少钱一个",
            "我是{who}的同事", "他不是{who}", "刚才那条发错了", "打错字了", "2楼{thing}谁拿了", "3年级在{place}",
            "1路车到{place}吗", "{who}不行了吗", "别去{place}了", "不用来了吧", "来了三个走了两个", "没人",
            "到底谁去", "到时候再说", "到此为止吧", "完了", "好像不对", "行李放{place}",
        ),
    },
}


def unihan(name):
    path = UNICODE / name
    if path.exists():
        return open(path, encoding="utf-8")
    return bz2.open(f"{path}.bz2", "rt", encoding="utf-8")


def properties(name, wanted):
    found = {}
    with unihan(name) as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if len(fields) == 3 and fields[1] == wanted:
                found[chr(int(fields[0][2:], 16))] = fields[2]
    return found


def toneless(syllable):
    plain = unicodedata.normalize("NFD", syllable.replace("ü", "v"))
    return "".join(c for c in plain if c.isascii() and c.isalpha())


class Sources:
    def __init__(self):
        variants = properties("Unihan_Variants.txt", "kTraditionalVariant")
        self.traditional = {}
        for simple, more in variants.items():
            others = [chr(int(code[2:], 16)) for code in more.split() if code != f"U+{ord(simple):04X}"]
            if others:
                self.traditional[simple] = others[0]
        self.words = {}
        for line in open(DICTIONARY, encoding="utf-8"):
            word, count = line.split()[:2]
            self.words[word] = int(count)
        simplified = properties("Unihan_Variants.txt", "kSimplifiedVariant")
        self.sounds, self.of_sound = {}, {}
        for char, value in properties("Unihan_Readings.txt", "kHanyuPinlu").items():
            for reading, count in re.findall(r"(\S+?)\((\d+)\)", value):
                sound = toneless(reading)
                self.sounds.setdefault(char, set()).add(sound)
                if int(count) >= 20 and self.words.get(char, 0) >= 50 and char not in simplified:
                    self.of_sound.setdefault(sound, set()).add(char)


def plain_forms():
    for context, command, words, fills in COMMANDS:
        for word in words:
            for fill in fills or ("",):
                yield context, command, word.format(fill)


def is_han(char):
    return "\u4e00" <= char <= "\u9fff"


def full_width(text):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def traditional(text, sources):
    return "".join(sources.traditional.get(c, c) for c in text)


def spaced(text, rng):
    out = text[0]
    for left, right in zip(text, text[1:]):
        if (is_han(left) or is_han(right)) and rng.random() < 0.6:
            out += rng.choice(GAPS)
        out += right
    return rng.choice(("", " ")) + out + rng.choice(GAPS)


def punctuated(text, rng):
    out = text[0]
    for left, right in zip(text, text[1:]):
        if is_han(left) and is_han(right) and rng.random() < 0.15:
            out += rng.choice("，、.")
        out += right
    return out + rng.choice(MARKS)


def signed(text, rng):
    mark = rng.choice(SIGNATURES)
    return mark + text if rng.random() < 0.5 else text + mark


def variants(text, sources, rng):
    yield "plain", text
    changes = {
        "full_width": lambda t: full_width(t), "traditional": lambda t: traditional(t, sources),
        "spaced": lambda t: spaced(t, rng), "punctuated": lambda t: punctuated(t, rng),
        "signed": lambda t: signed(t, rng), "lower": lambda t: t.lower(),
    }
    for name, change in changes.items():
        changed = change(text)
        if changed != text:
            yield name, changed
    first, second = rng.sample(sorted(changes), 2)
    changed = changes[second](changes[first](text))
    if changed != text:
        yield "mixed", changed


def forms(sources, rng):
    for context, command, text in plain_forms():
        for kind, changed in variants(text, sources, rng):
            yield kind, context, command, changed
    for context, command, text in PINYIN:
        for changed in (text, text.upper(), text.capitalize(), text + "。", f"【李娜】{text}"):
            yield "pinyin", context, command, changed


def typo(word, spoken, sources, rng):
    """One wrong character, sometimes two, each of the right sound and in common use."""
    out = list(word)
    for i in rng.sample(range(len(word)), 2 if rng.random() < 0.25 else 1):
        same = sorted(sources.of_sound.get(spoken[i], set()) - {word[i]})
        if same:
            out[i] = rng.choice(same)
    return "".join(out)


def homophones(sources, rng):
    """Never a word of the dictionary: those mean themselves."""
    for context, command, word, spoken in SOUND:
        seen = {word}
        for _ in range(200):
            text = typo(word.rstrip("+"), spoken.split(), sources, rng)
            if text in seen or sources.words.get(text, 0) > 0 or len(seen) > 40:
                continue
            seen.add(text)
            yield "homophone", context, command, text + ("S17" if word.endswith("+") else "")


def dropped():
    """Without one character; not when what is left is another command."""
    commands = {text for _, _, text in plain_forms()}
    for context, command, text in plain_forms():
        if sum(is_han(c) for c in text) < 3:
            continue
        for i, char in enumerate(text):
            if is_han(char) and text[:i] + text[i + 1:] not in commands:
                yield "dropped", context, command, text[:i] + text[i + 1:]


def sound_alikes(sources):
    """Ordinary words that sound like a command of two characters or more."""
    commands = {word for _, _, words, _ in COMMANDS for word in words if len(word) > 1 and is_han(word[0])}
    commands |= {word.rstrip("+") for _, _, word, _ in SOUND}
    commands = {word.replace("{}", "") for word in commands}
    of_sound = {}
    for word, count in sources.words.items():
        if count >= 20 and len(word) > 1 and all(c in sources.sounds for c in word) and word not in commands:
            for key in sounds_of(word, sources):
                of_sound.setdefault(key, set()).add(word)
    found = set()
    for command in commands:
        for key in sounds_of(command, sources):
            found |= of_sound.get(key, set())
    return sorted(found)


def sounds_of(word, sources):
    keys = {()}
    for char in word:
        keys = {key + (sound,) for key in keys for sound in sources.sounds.get(char, ())}
    return keys


def common_words(sources, rng, count):
    known = {text for _, _, text in plain_forms()} | set("谢谢 你好 您好 知道 知道了 明白 谢谢您 谢谢你".split())
    words = sorted(word for word, times in sources.words.items()
                   if times >= 300 and 2 <= len(word) <= 4 and word not in known and
                   all(is_han(c) for c in word))
    return rng.sample(words, count)


def templated(half, rng, count):
    slots, templates = SAID[half]["slots"], SAID[half]["templates"]
    found = set()
    while len(found) < count:
        text = rng.choice(templates)
        for name, fillings in slots.items():
            while "{" + name + "}" in text:
                text = text.replace("{" + name + "}", rng.choice(fillings), 1)
        found.add(text + rng.choice(("", "", "", "？", "。", "!", "，谢谢")))
    return sorted(found)


def by_hand(name, half):
    lines = [line for line in (HERE / name).read_text(encoding="utf-8").splitlines()
             if line and not line.startswith("#")]
    return lines[half == "test"::2]


def sort_out(rows, rng):
    """Half of each class, whoever comes first."""
    halves = {"tune": [], "test": []}
    seen = set()
    for row in rows:
        if row[1:] in seen:
            continue
        seen.add(row[1:])
        halves["tune" if rng.random() < 0.5 else "test"].append(row)
    return halves


def make():
    """The text of each half."""
    sources, rng = Sources(), random.Random(20261122)
    halves = sort_out([*forms(sources, rng), *homophones(sources, rng), *dropped(),
                       *(("no_sound", "any", "person", word) for word in sound_alikes(sources)),
                       *(("no_word", "any", "person", word) for word in common_words(sources, rng, 500))],
                      rng)
    for half, rows in halves.items():
        rows += [("by_hand", *line.split(" ", 2)) for line in by_hand("meant.txt", half)]
        rows += [("no_said", "any", "person", text) for text in by_hand("said.txt", half)]
        have = sum(row[0].startswith("no_") for row in rows)
        rows += [("no_template", "any", "person", text) for text in templated(half, rng, NO_COMMANDS - have)]
        yield half, "".join("\t".join(row) + "\n" for row in sorted(rows))


def main():
    for half, text in make():
        path = HERE / f"{half}.tsv"
        if sys.argv[1:] != ["--check"]:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path.name} is not what make.py makes")


if __name__ == "__main__":
    main()
