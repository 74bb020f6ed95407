# Completion of touyan(1) for bash.
_touyan() {
    local cur=${COMP_WORDS[COMP_CWORD]} verb='' sub='' words='' word
    local -i i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        --socket | --lang | --state | --limit) i+=1 ;;
        -*) ;;
        *) if [ -z "$verb" ]; then verb=$word; else sub=${sub:-$word}; fi ;;
        esac
    done
    case "$verb $sub" in
    ' ') words='status check sms desk roster sync enrol device radio version help' ;;
    'sms ') words='list show send retry cancel pause resume inbox answer push balance simulate' ;;
    'sms list') words='in out' ;;
    'desk ') words='list done' ;;
    'roster ') words='plan show diff publish' ;;
    'roster plan') words='afresh' ;;
    'sync ') words='status now pending conflicts quarantine' ;;
    'radio ') words='list add remove send' ;;
    'device ') words='list command accounts try' ;;
    esac
    case $cur in
    -*) words='--json --lang --socket' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _touyan touyan
