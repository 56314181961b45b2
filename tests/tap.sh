# The Test Anything Protocol for shell scripts; to be sourced.
#
# A test is a function whose name is a sentence. It runs in a subshell with `set -e`, so it fails with its first command
# that fails, and its output is shown then. The script that sources this must not use `set -e` itself, and closes with
# tap_end.
tap_number=0
tap_failures=0

# tap_test FUNCTION
tap_test() {
    tap_number=$((tap_number + 1))
    # Not in an `if`: there the shell would not heed `set -e`.
    tap_output=$(
        set -e
        "$1" 2>&1
    )
    tap_status=$?
    if [ "$tap_status" = 0 ]; then
        echo "ok $tap_number - $(echo "$1" | tr _ ' ')"
    else
        tap_failures=$((tap_failures + 1))
        echo "not ok $tap_number - $(echo "$1" | tr _ ' ')"
        echo "$tap_output" | sed 's/^/# /; 100 { s/.*/# .../; q; }'
    fi
}

# tap_skip FUNCTION REASON
tap_skip() {
    tap_number=$((tap_number + 1))
    echo "ok $tap_number - $(echo "$1" | tr _ ' ') # SKIP $2"
}

# Prints the plan; its status is the script's.
tap_end() {
    echo "1..$tap_number"
    [ "$tap_failures" = 0 ]
}

# Succeeds if a command fails: `set -e` does not heed a `!`.
refute() {
    if "$@"; then
        echo "should not have succeeded: $*"
        return 1
    fi
}
