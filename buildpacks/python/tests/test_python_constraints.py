import pytest
from nexus_python.constraints import InvalidConstraintError, satisfies


@pytest.mark.parametrize(
    ("constraint", "satisfied"),
    [
        ("3.13", True),
        ("3.13.5", True),
        ("3.13.4", False),
        ("3.13.*", True),
        ("3.x", True),
        ("3.X.X", True),
        ("*", True),
        ("3", True),
        ("v3.13", True),
        ("=3.13.5", True),
        ("3.12.*", False),
        ("~3.13", True),
        ("~3.13.2", True),
        ("~3.13.6", False),
        ("~3.12", False),
        ("~3", True),
        ("~2", False),
        ("~>3.13", True),
        ("~>3.12", True),
        ("~>3.12.0", False),
        ("~>3.14", False),
        ("3.11 - 3.13", True),
        ("3.11 - 3.12", False),
        ("v3.11.2 - v3.13.5", True),
        ("3.14 - 3.15", False),
        ("3.9 - 3.10 || 3.13 - 3.14", True),
        ("3.11 - 3.13, !=3.13.5", False),
        ("=>3.12", True),
        ("=>3.14", False),
        ("=<3.13", True),
        ("=<3.12", False),
        ("=> 3.12, =< 3.13", True),
        ("^3.12", True),
        ("^3.14", False),
        ("^2.7", False),
        (">=3.12, <3.14", True),
        (">=3.12 <3.13", False),
        (">= 3.12", True),
        (">3.13.4", True),
        ("<=3.13", True),
        ("!=3.13.5", False),
        ("!=3.12.*", True),
        ("3.12.* || 3.13.*", True),
        ("3.11 || 3.12", False),
    ],
)
def test_a_constraint_holds_or_not_as_semver_has_it(constraint: str, *, satisfied: bool) -> None:
    assert satisfies((3, 13, 5), constraint) is satisfied


@pytest.mark.parametrize(
    "constraint",
    [
        "latest",
        "3.13 ||",
        "|| 3.13",
        "",
        "3.13 and 3.12",
        "3.13.x1",
        ">=",
        "3..13",
        "3.13.5.1",
        "3.13 || newest",
        "3.11 -3.13",
        "3.11 -",
        "- 3.13",
        "3.11-3.13",
        "3.14.0-rc.1",
        ">=3.11 - 3.13",
    ],
)
def test_anything_else_is_no_constraint(constraint: str) -> None:
    with pytest.raises(InvalidConstraintError):
        satisfies((3, 13, 5), constraint)
