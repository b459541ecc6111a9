"""A folder in which commands and Python of the pages are run."""

import contextlib
import shlex

import yaml

from tests.command_line import genrec
from tests.page_commands import NAMES, RUN, SMALL, STAND_INS
from tests.test_docs import blocks


def small_recipe(folder, name):
    """The recipe of the small shop, under the name of another."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**SMALL, "name": name}))


def words_of(line, more):
    """The words of a line after ``genrec``, on the small shop, and what its stdin is read from."""
    command, _, file = f"{line} {more}".partition(" < ")
    words = [NAMES.get(word, word) for word in shlex.split(command)[1:]]
    if words[0] in ("run", "tune") and words[1] in STAND_INS:
        words[1] += ".yaml"
    given = {word for word in shlex.split(more) if word.startswith("-")}
    for option in given:
        # What makes it small stands last; an option is given once.
        while words.count(option) > 1:
            place = words.index(option)
            del words[place : place + 2]
    return words, file.strip()


class Console:
    """A folder in which commands of the pages are run, one after another.

    Attributes:
        said: what each command that ran wrote to stdout.
        told: what each wrote to stderr.
        failed: the same of those that did not end well.
    """

    def __init__(self, folder):
        self.folder = folder
        self.said, self.told, self.failed = {}, {}, {}

    def run(self, group, *, before=None, text=""):
        for line, more in RUN[group].items():
            words, file = words_of(before(self, line) if before is not None else line, more)
            done = genrec(
                self.folder, *words, text=(self.folder / file).read_text() if file else text
            )
            self.said[line], self.told[line] = done.stdout, done.stderr
            if done.returncode:
                self.failed[line] = done.stderr[-2000:]
        return self


def python_of(repository, page, word, folder, **replaced):
    """Runs a page's Python in a folder, within this process; what it leaves by name."""
    (text,) = [text for text in blocks(repository, page, "python") if word in text]
    for old, new in {**NAMES, **replaced}.items():
        text = text.replace(old, new)
    left = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        exec(compile(text, page, "exec"), left)
    return left
