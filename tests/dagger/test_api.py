"""The Dagger-shaped Container: a value, a recipe, and data that can be sent and read back."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airbyte_ci.dagger import (
    Container,
    Exec,
    Operation,
    Question,
    SetDefaultArguments,
    SetEntrypoint,
    SetLabel,
    SetUser,
    SetVariable,
    SetWorkdir,
    UnsetLabel,
    UnsetVariable,
    Unsupported,
    WriteFile,
    from_json,
    to_json,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_ARGV = st.lists(_TEXT, max_size=4).map(tuple)
_OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Exec, _ARGV, _TEXT, st.booleans()),
    st.builds(SetVariable, _TEXT, _TEXT, st.booleans()),
    st.builds(UnsetVariable, _TEXT),
    st.builds(WriteFile, _TEXT, _TEXT, st.integers(0, 0o7777), _TEXT),
    st.builds(SetUser, _TEXT),
    st.builds(SetWorkdir, _TEXT),
    st.builds(SetLabel, _TEXT, _TEXT),
    st.builds(UnsetLabel, _TEXT),
    st.builds(SetEntrypoint, _ARGV),
    st.builds(SetDefaultArguments, _ARGV),
)


@given(_OPERATIONS)
def test_an_operation_reads_back_as_itself(operation: Operation) -> None:
    """Over JSON and back: the pipe, the keys and the plan's record lose nothing."""
    assert from_json(json.loads(json.dumps(to_json(operation)))) == operation


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Exec", "SetUser"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["operation", "arguments", "user", "path", "x"]), inner, max_size=4)
    ),
)


@given(_JSON)
def test_any_data_is_an_operation_or_a_value_error(document: Any) -> None:
    """Any data from the pipe has two ends."""
    try:
        operation = from_json(document)
    except ValueError:
        return
    assert from_json(to_json(operation)) == operation


def test_every_step_is_a_new_value() -> None:
    """Nothing that was derived from a container changes it, so branches do not mix."""
    base = Container()
    one, two = base.with_user("a"), base.with_user("b")
    assert base.operations == ()
    assert one.operations == (SetUser("a"),)
    assert two.operations == (SetUser("b"),)
    assert one == Container((SetUser("a"),))
    assert len({base, one, two, base.with_user("a")}) == 3


def test_awaiting_a_container_gives_it_back() -> None:
    """Hooks await the container itself, which does nothing."""

    async def hook() -> bool:
        container = Container().with_exec(["true"])
        return await container is container and (await container.file("/x")) == container.file("/x")

    assert asyncio.run(hook())


@pytest.mark.parametrize(
    ("made", "operations"),
    [
        (Container().with_exec(["a"]), (Exec(("a",)),)),
        (Container().with_exec(["a"], True), (Exec(("a",)),)),
        (Container().with_exec(["a"], use_entrypoint=True), (Exec(("a",), "", True),)),
        (Container().with_exec(("a", "b"), stdin="x"), (Exec(("a", "b"), "x"),)),
        (Container().with_new_file("/x"), (WriteFile("/x", ""),)),
        (Container().with_new_file("/x", "y", 0), (WriteFile("/x", "y", 0),)),
        (Container().without_user(), (SetUser(""),)),
        (Container().with_entrypoint(["a"]), (SetEntrypoint(("a",)), SetDefaultArguments(()))),
        (Container().with_entrypoint(["a"], keep_default_args=True), (SetEntrypoint(("a",)),)),
        (Container().without_entrypoint(), (SetEntrypoint(()), SetDefaultArguments(()))),
        (Container().without_label("l"), (UnsetLabel("l"),)),
    ],
)
def test_calls_become_operations(made: Container, operations: tuple[Operation, ...]) -> None:
    """Dagger's defaults: no entrypoint before a command, no default arguments kept with a new entrypoint."""
    assert made.operations == operations


def test_questions_carry_the_recipe() -> None:
    """The questions and their operations; the types are Dagger's."""
    asked: list[Question] = []
    answers = {
        "exit_code": 0,
        "sync": True,
        "entrypoint": ["a"],
        "entries": ["x"],
        "file": "é",
        "size": 2,
        "platform": "linux/amd64",
    }

    def ask(question: Question) -> Any:
        asked.append(question)
        return answers.get(question.about, "text")

    async def talk() -> list[object]:
        c = Container((), ask).with_user("u")
        assert await c.sync() is c
        return [
            await c.stdout(),
            await c.stderr(),
            await c.exit_code(),
            await c.env_variable("A"),
            await c.user(),
            await c.workdir(),
            await c.entrypoint(),
            await c.label("l"),
            await c.platform(),
            await c.file("/f").contents(),
            await c.file("/f").size(),
            await c.directory("/d").entries(),
            await c.directory("/d/").file("x").contents(),
        ]

    assert asyncio.run(talk()) == [
        *("text", "text", 0, "text", "text", "text", ["a"], "text", "linux/amd64", "é", 2, ["x"], "é"),
    ]
    assert all(question.operations == (SetUser("u"),) for question in asked)
    assert asked[-1] == Question("file", (SetUser("u"),), "/d/x")


def test_a_recipe_alone_answers_nothing() -> None:
    """Without an answerer, a question is an error with the reason."""
    with pytest.raises(RuntimeError, match="only a recipe"):
        asyncio.run(Container().stdout())


@pytest.mark.parametrize("name", ["with_service_binding", "publish", "terminal", "id", "export", "from_"])
def test_what_is_not_provided_is_named(name: str) -> None:
    """An AttributeError, so that hasattr works, with the name that was used."""
    with pytest.raises(Unsupported, match=f"Container.{name} is not provided by airbyte-ci"):
        getattr(Container(), name)
    assert not hasattr(Container(), name)
