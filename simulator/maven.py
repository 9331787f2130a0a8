"""Jars: what only Java has, brought from Maven Central by Maven, once, into build/."""

import fcntl
import shutil
from dataclasses import dataclass
from pathlib import Path

from charts.errors import BadSettings, Unreachable
from simulator.process import Process

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
_FETCH_S = 300


@dataclass(frozen=True, slots=True)
class Jars:
    """Some artifacts (`group:artifact:version`) and all they need, in a folder."""

    #: For people, and for the folder.
    title: str
    name: str
    artifacts: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return BUILD / self.name

    @property
    def classpath(self) -> str:
        return f"{self.folder}/*"

    def fetch(self) -> None:
        """Have Maven bring them, unless they are here."""
        if self.folder.exists():
            return
        maven = shutil.which("mvn")
        if maven is None:
            raise BadSettings(f"{self.title}'s jars come through Maven, and there is no mvn here")
        BUILD.mkdir(exist_ok=True)
        with (BUILD / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.folder.exists():
                self._fetch(maven)

    def _fetch(self, maven: str) -> None:
        """Under another name first: half the jars never look like all of them."""
        draft = self.folder.with_name(f"{self.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        (draft / "pom.xml").write_text(self._pom())
        goal = ("dependency:copy-dependencies", f"-DoutputDirectory={draft}")
        command = [maven, "-q", "-B", "-f", draft / "pom.xml", *goal]
        try:
            Process("Maven", command, BUILD / "maven.log", folder=draft).run(_FETCH_S)
        except Unreachable as error:
            raise Unreachable(f"{self.title} cannot be had from Maven Central: {error}") from None
        draft.rename(self.folder)

    def _pom(self) -> str:
        wanted = ""
        for artifact in self.artifacts:
            group, name, version = artifact.split(":")
            inner = f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
            wanted += f"    <dependency>{inner}</dependency>\n"
        return f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>livecharts</groupId><artifactId>jars</artifactId><version>1</version>
  <dependencies>
{wanted}  </dependencies>
</project>
"""


def java(what: str) -> str:
    """The program, for whoever needs it."""
    return _program("java", what)


def javac(what: str) -> str:
    """The compiler."""
    return _program("javac", what)


def _program(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BadSettings(f"{what} needs Java 17 or later, and there is no {name} here")
    return found
