/* Words that stand in rows (states, kinds, what happened) as an officer says them. */
#include <string.h>

#include "gateway/cli/cli.h"

static const char *const words[][2] = {
    /* duties */
    {"planned", "已排"},
    {"asked", "已问"},
    {"confirmed", "已确认"},
    {"swapping", "求换班"},
    {"on_post", "在岗"},
    {"done", "已完成"},
    {"no_show", "缺岗"},
    {"disputed", "申诉待复核"},
    {"excused", "请假"},
    {"declined", "来不了"},
    {"cancelled", "取消"},
    /* kinds of cards */
    {"plan", "方案"},
    {"checklist", "检查表"},
    {"gear", "装备"},
    {"method", "工作方法"},
    {"partner", "共建单位"},
    {"neighbour", "邻所"},
    {"cert", "证书"},
    {"team", "护学小组"},
    {"system", "安防系统"},
    {"task", "连带任务"},
    {"term", "学期"},
    {"count", "计数"},
    {"training", "培训"},
    {"drill", "演练"},
    {"review", "案例复盘"},
    {"demo", "示范"},
    {"meeting", "联席会议"},
    {"publicity", "宣传"},
    /* their states and stories */
    {"on", "在用"},
    {"off", "停用"},
    {"running", "启动中"},
    {"signed", "已签"},
    {"lost", "丢失"},
    {"made", "新建"},
    {"changed", "修改"},
    {"started", "启动"},
    {"stopped", "停用"},
    {"issued", "发出"},
    {"returned", "归还"},
    {"checked", "检查"},
    {"read", "已阅"},
    {"attended", "签到"},
    {"renewed", "换新"},
    {"inspected", "检查"},
    {"ticked", "打勾"},
    /* of an issue */
    {"found", "发现"},
    {"assign", "分派"},
    {"start", "开始整改"},
    {"fix", "已整改"},
    {"verify", "复核销号"},
    {"reopen", "退回"},
    {"merge", "并入"},
};

const char *cli_word(const struct cli *cli, const char *word)
{
    for (size_t i = 0; !cli->english && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i][0], word) == 0)
            return words[i][1];
    return word;
}
