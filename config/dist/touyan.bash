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
    ' ') words='status check support-bundle sms desk roster ledger card school people post volunteer account privacy
            sync enrol device radio version help' ;;
    'sms ') words='list show send retry cancel pause resume inbox answer push quiet balance
            simulate' ;;
    'sms list') words='in out' ;;
    'desk ') words='list done declines' ;;
    'roster ') words='plan show diff publish export import print pin unpin need way orders approve decide' ;;
    'roster plan') words='afresh' ;;
    'roster export' | 'roster print') words='draft' ;;
    'ledger ') words='list show add assign start fix verify reopen merge print' ;;
    'card ') words='kinds list show put do draw match' ;;
    'school ') words='import export copy exam' ;;
    'people ' | 'post ') words='import export' ;;
    'volunteer ') words='list add import approve refuse export' ;;
    'account ') words='month people sheet hours export' ;;
    'sync ') words='status now pending conflicts quarantine' ;;
    'radio ') words='list add remove send' ;;
    'device ') words='list command accounts try flow' ;;
    'device accounts') words='passwd acl list key' ;;
    'enrol ') words='again' ;;
    esac
    case $cur in
    -*) words='--json --lang --socket --state --limit --help' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _touyan touyan
